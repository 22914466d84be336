_base_ = ['../benchmarks/cityscapes_11-1.py', '../methods/rcil/cityscapes.py']
# The rates of RCIL's scripts for this split.
optim_wrapper = dict(optimizer=dict(lr=0.02))
step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=0.004)))}
