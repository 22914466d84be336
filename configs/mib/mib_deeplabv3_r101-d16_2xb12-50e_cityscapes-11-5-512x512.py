_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-11-5-512x512.py']
# No class is hidden in a background: the plain cross-entropy and distillation.
method = dict(type='MiB', weight=10.0)
