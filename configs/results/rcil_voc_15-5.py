_base_ = ['../benchmarks/voc_15-5.py', '../methods/rcil/voc.py']
# The first step's learning rate in the released script; the later ones have 0.001, as elsewhere.
optim_wrapper = dict(optimizer=dict(lr=0.02))
