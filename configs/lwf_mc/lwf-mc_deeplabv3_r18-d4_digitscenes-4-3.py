_base_ = ['../finetune/finetune_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='LwFMC', weight=10.0)
method_name = 'LwF-MC'
