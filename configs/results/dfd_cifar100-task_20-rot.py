_base_ = ['../benchmarks/cifar100-task_20-rot.py', '../methods/dfd/default.py']
# The released script's learning rates.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=100.0))))
