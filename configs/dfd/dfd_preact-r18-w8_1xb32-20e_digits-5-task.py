_base_ = ['../finetune/finetune_preact-r18-w8_1xb32-20e_digits-5-task.py']
# DFD: VDFD with identity precision.
method = dict(type='VDFD', precision='identity', weight=10.0)
method_name = 'DFD'
