# More images keep no more here (docs/en/advanced_guides/vdfd_mathematics.md).
_base_ = ['./default.py']
method = dict(images=64)
