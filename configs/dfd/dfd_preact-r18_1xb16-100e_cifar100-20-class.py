# DFD: VDFD with identity precision. There is no released class-incremental script; VDFD's weight.
_base_ = ['../finetune/finetune_preact-r18_1xb16-100e_cifar100-20-class.py']
method = dict(type='VDFD', precision='identity', weight=50.0)
method_name = 'DFD'
