_base_ = ['./default.py']
method = dict(images=500)
