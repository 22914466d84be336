_base_ = [
    '../_base_/models/deeplabv3_m-v2-d16.py',
    '../_base_/datasets/voc_192x192.py',
    '../_base_/schedules/schedule_voc_small.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='VOC', split='11-5', setting='overlap')
model = dict(
    data_preprocessor=dict(size=(192, 192)),
    # ImageNet weights, fetched once; init_cfg=None starts from random ones.
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2')))
