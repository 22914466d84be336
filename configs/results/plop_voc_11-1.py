_base_ = ['../benchmarks/voc_11-1.py', '../methods/plop/voc.py']
# The later steps take 10 epochs in the released script.
step_overrides = {'1:': dict(train_cfg=dict(max_epochs=10))}
