_base_ = ['./default.py']
