_base_ = ['./cifar100-task_10-rot.py']
protocol = dict(tasks=20)
