_base_ = ['./cifar100-class_10.py']
protocol = dict(tasks=20)
