_base_ = ['./cifar100-class.py']
