_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_camvid-1-1-160x160.py']
# The weights published for Cityscapes by domain.
method = dict(
    type='RCIL',
    kd_weight=0.0,
    spatial_weight=5e-4,
    spatial_logits_weight=1e-4,
    channel_weight=1e-4,
    channel_last_weight=0.0)
