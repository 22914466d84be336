_base_ = ['../finetune/finetune-unce_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='RCIL')
method_name = 'RCIL'
