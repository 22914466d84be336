_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-300i_voc-10-5-192x192.py']
method = dict(type='LwFMC', weight=10.0)
method_name = 'LwF-MC'
