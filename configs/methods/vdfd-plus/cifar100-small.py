_base_ = ['./cifar100.py']
method = dict(num_views=5)
