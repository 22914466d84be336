# DFD: VDFD with identity precision. The released script's learning rates (10-split);
# the head's is as VDFD's.
_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-10-task.py']
method = dict(type='VDFD', precision='identity', weight=20.0)
method_name = 'DFD'
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=5e-5),
    paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=5.0))))
