_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/schedule_cifar100-small.py',
    '../_base_/default_runtime.py',
]
# The first 50 classes, ten a task.
protocol = dict(type='CIFAR100', num_classes=50, tasks=5, scenario='task')
# A quarter of ResNet-18's width.
model = dict(backbone=dict(widths=(16, 32, 64, 128)))
train_dataloader = dict(batch_size=64)
