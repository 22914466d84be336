# There is no released class-incremental script; VDFD's weight.
_base_ = ['./default.py']
method = dict(weight=50.0)
