_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-1-1-512x512.py']
method = dict(type='LwFMC', weight=10.0)
method_name = 'LwF-MC'
