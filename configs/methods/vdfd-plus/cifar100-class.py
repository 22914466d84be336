_base_ = ['./cifar100.py']
method = dict(weight=5.0)
