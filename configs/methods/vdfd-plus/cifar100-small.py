_base_ = ['./cifar100.py']
method = dict(views=5)
