_base_ = ['../finetune/finetune-unce_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='VDFDPlus', weight=0.1)
method_name = 'VDFDPlus + UNCE'
