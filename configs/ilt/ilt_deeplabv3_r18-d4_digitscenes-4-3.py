_base_ = ['../finetune/finetune_deeplabv3_r18-d4_digitscenes-4-3.py']
method = dict(type='ILT', weight=100.0, feature_weight=100.0)
