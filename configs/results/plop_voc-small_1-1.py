_base_ = ['../benchmarks/voc-small_1-1.py', '../methods/plop/voc-small.py']
# The published loss is a mean over all pixels, also those without a confident label. The first
# step is as that of the other methods. The rate was found on validation images, over all of 11-1.
step_overrides = {
    '1:': dict(
        model=dict(decode_head=dict(loss_decode=dict(avg_non_ignore=False))),
        optim_wrapper=dict(optimizer=dict(lr=0.001)))
}
