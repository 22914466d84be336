_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-11-1-512x512.py']
method = dict(type='ILT', weight=100.0, feature_weight=100.0)
