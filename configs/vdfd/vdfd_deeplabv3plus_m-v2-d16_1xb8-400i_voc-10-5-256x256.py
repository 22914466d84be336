_base_ = ['./vdfd_deeplabv3_m-v2-d16_1xb8-400i_voc-10-5-256x256.py']
model = dict(
    decode_head=dict(type='DepthwiseSeparableASPPHead', c1_in_channels=24, c1_channels=12))
