_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CIFAR100', tasks=10, scenario='task')
# The released task-incremental recipe: Adam, heads at 50 times the learning rate.
train_cfg = dict(max_epochs=80)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=1e-4, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=50.0, decay_mult=0.0))))
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[30, 60], gamma=0.5)]
