_base_ = ['./voc_1-1.py']
