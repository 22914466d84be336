_base_ = ['./ade20k_100-50.py']
protocol = dict(split='100-5')
