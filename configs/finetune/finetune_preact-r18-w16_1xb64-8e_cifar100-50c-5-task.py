_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/protocols/cifar100-50c_5-task.py',
    '../_base_/schedules/schedule_cifar100-small.py',
    '../_base_/default_runtime.py',
]
# A quarter of ResNet-18's width.
model = dict(backbone=dict(widths=(16, 32, 64, 128)))
train_dataloader = dict(batch_size=64)
method = dict(type='FineTune')
