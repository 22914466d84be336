_base_ = ['./default.py']
method = dict(weight=20.0)
