_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/schedule_cifar100-class_100e.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CIFAR100', tasks=10, scenario='class')
train_dataloader = dict(batch_size=16)
