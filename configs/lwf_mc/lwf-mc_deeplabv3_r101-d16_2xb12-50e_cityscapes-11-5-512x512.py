_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-11-5-512x512.py']
method = dict(type='LwFMC', weight=10.0)
method_name = 'LwF-MC'
