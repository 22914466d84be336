_base_ = ['../benchmarks/digitscenes_4-3.py', '../methods/plop/default.py']
# The published loss is a mean over all pixels, also those without a confident label. The first
# step is as that of the other methods.
step_overrides = {
    '1:': dict(model=dict(decode_head=dict(loss_decode=dict(avg_non_ignore=False))))
}
