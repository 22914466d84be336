_base_ = ['../benchmarks/voc-small_1-1.py', '../methods/vdfd-plus/voc.py']
# Found on validation images, over the whole sequence. The first task has one class besides the
# background, too few to learn features from: the trunk trains on five more.
method = dict(trunk_tasks=6)
step_overrides = {'6:': dict(optim_wrapper=dict(optimizer=dict(lr=0.01)))}
