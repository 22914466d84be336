_base_ = ['../finetune/finetune-unce_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='VDFD', weight=1.0)
method_name = 'VDFD + UNCE'
