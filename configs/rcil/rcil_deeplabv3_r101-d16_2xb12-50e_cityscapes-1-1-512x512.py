_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-1-1-512x512.py']
# The rates of RCIL's scripts for this split.
optim_wrapper = dict(optimizer=dict(lr=0.02))
step_overrides = {'1:': dict(optim_wrapper=dict(optimizer=dict(lr=0.002)))}
method = dict(
    type='RCIL',
    kd_weight=0.0,
    spatial_weight=5e-4,
    spatial_logits_weight=1e-4,
    channel_weight=1e-4,
    channel_last_weight=0.0)
