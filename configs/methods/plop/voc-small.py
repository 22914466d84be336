# Not the settings of voc.py, which are those of the released code.
_base_ = ['./default.py']
