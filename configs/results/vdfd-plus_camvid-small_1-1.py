_base_ = ['../benchmarks/camvid-small_1-1.py', '../methods/vdfd-plus/camvid.py']
# Later sequences: a tenth of the learning rate, which keeps more than any weight does, and the
# backbone's batch-norm statistics as they are.
step_overrides = {
    '1:': dict(
        optim_wrapper=dict(optimizer=dict(lr=3e-4)), model=dict(backbone=dict(norm_eval=True)))}
