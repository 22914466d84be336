# PLOP on Cityscapes: 50 epochs a step; the rest as on VOC.
_base_ = ['./schedule_voc_30e.py']
train_cfg = dict(max_epochs=50)
