_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/protocols/cifar100_20-task.py',
    '../_base_/schedules/schedule_cifar100-task_80e.py',
    '../_base_/default_runtime.py',
]
method = dict(type='FineTune')
