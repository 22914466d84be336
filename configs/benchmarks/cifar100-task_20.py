_base_ = ['./cifar100-task_10.py']
protocol = dict(tasks=20)
