# DFD: VDFD with identity precision, with the released script's learning rates.
_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-20-task-rot.py']
method = dict(type='VDFD', precision='identity', weight=10.0)
method_name = 'DFD'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=100.0))))
