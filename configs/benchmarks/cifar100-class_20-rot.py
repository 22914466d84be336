_base_ = ['./cifar100-class_10-rot.py']
protocol = dict(tasks=20)
