_base_ = ['../finetune/finetune_preact-r18-w16_1xb64-8e_cifar100-50c-5-task.py']
# DFD: VDFD with identity precision.
method = dict(type='VDFD', precision='identity', weight=10.0, images=500)
method_name = 'DFD'
