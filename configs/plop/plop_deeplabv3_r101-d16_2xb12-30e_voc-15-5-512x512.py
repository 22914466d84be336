_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-30e_voc-15-5-512x512.py']
# The published loss is a mean over all pixels, also those without a confident label. The first
# step is as that of the other methods.
step_overrides = {
    '1:': dict(model=dict(decode_head=dict(loss_decode=dict(avg_non_ignore=False))))
}
growth = dict(init='balanced')
# The released code's unit of the entropy, which decides how many pixels get a label.
method = dict(type='PLOP', entropy='released')
