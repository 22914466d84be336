_base_ = ['./deeplabv3_r18-d8.py']
norm_cfg = dict(type='SyncBN', requires_grad=True)
# ImageNet weights, fetched once; init_cfg=None starts from random ones.
model = dict(
    backbone=dict(
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c')),
    decode_head=dict(
        in_channels=2048,
        channels=256,
        dilations=(1, 6, 12, 18),
        # PLOP's and RCIL's code: a mean over all pixels, those ignored included, for every method.
        loss_decode=dict(avg_non_ignore=False)))
