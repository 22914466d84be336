_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/cifar100.py',
    '../_base_/schedules/schedule_cifar100-task_80e.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CIFAR100', tasks=10, scenario='task')
