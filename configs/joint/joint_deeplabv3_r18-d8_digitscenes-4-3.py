_base_ = ['../finetune/finetune_deeplabv3_r18-d8_digitscenes-4-3.py']
method = dict(type='Joint')
