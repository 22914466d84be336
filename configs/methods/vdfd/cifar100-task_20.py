_base_ = ['./cifar100-task.py']
method = dict(weight=5.0)
