_base_ = ['../benchmarks/voc-small_1-1.py', '../methods/vdfd-plus/voc-small_1-1.py']
# Found on validation images, over the whole sequence: the classifier alone trains.
step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=0.01)))}
