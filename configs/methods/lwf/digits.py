_base_ = ['./cifar100.py']
