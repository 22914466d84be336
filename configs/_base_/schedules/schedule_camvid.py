# As on the part of VOC, with fewer iterations: a sequence has fewer images.
_base_ = ['./schedule_voc_small.py']
train_cfg = dict(max_iters=400)
step_overrides = {'1:': dict(train_cfg=dict(max_iters=60))}
