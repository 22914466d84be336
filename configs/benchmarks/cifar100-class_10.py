_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CIFAR100', tasks=10, scenario='class')
train_dataloader = dict(batch_size=16)
# The released class-incremental recipe: Adam, heads at ten times the learning rate.
train_cfg = dict(max_epochs=100)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, weight_decay=7e-4),
    paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=10.0, decay_mult=0.0))))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[50], gamma=0.5)]
