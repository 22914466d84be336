_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/default_runtime.py',
]
# The first 50 classes, ten a task.
protocol = dict(type='CIFAR100', num_classes=50, tasks=5, scenario='task')
# A quarter of ResNet-18's width.
model = dict(backbone=dict(widths=(16, 32, 64, 128)))
train_dataloader = dict(batch_size=64)
# A schedule of minutes on two CPU cores; bfloat16 pays on processors that compute in it.
train_cfg = dict(max_epochs=8)
optim_wrapper = dict(
    type='vdfd_seg.DeviceAmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=1e-5)]
step_overrides = {'1:': dict(train_cfg=dict(max_epochs=5))}
