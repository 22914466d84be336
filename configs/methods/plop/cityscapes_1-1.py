_base_ = ['./cityscapes.py']
method = dict(logits_weight=1e-3)
