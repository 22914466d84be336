_base_ = ['./cityscapes_11-5.py']
protocol = dict(split='1-1')
