_base_ = ['./deeplabv3_m-v2-d16.py']
model = dict(
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        c1_in_channels=24,
        c1_channels=12))
