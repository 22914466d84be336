# The weights published for domain-incremental Cityscapes.
_base_ = ['./cityscapes.py']
