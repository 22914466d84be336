_base_ = ['./deeplabv3_r101-d16.py']
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(depth=50),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        c1_in_channels=256,
        c1_channels=48))
