_base_ = ['../benchmarks/cifar100-task_10.py', '../methods/dfd/cifar100-task_10.py']
# The released script's learning rates (10-split); the head's is as VDFD's.
optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=5e-5),
    paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=5.0))))
