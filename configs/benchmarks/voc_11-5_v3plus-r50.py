_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/voc_512x512.py',
    '../_base_/schedules/schedule_voc_30e.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='VOC', split='11-5', setting='overlap')
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(depth=50, init_cfg=dict(checkpoint='open-mmlab://resnet50_v1c')),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        c1_in_channels=256,
        c1_channels=48))
