_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/ade20k_512x512.py',
    '../_base_/schedules/schedule_voc_30e.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='ADE20K', split='100-50', setting='overlap')
model = dict(data_preprocessor=dict(size=(512, 512)))
# MiB, PLOP: twice the epochs of VOC.
train_cfg = dict(max_epochs=60)
