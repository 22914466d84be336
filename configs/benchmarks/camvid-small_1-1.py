_base_ = [
    '../_base_/models/deeplabv3_m-v2-d16.py',
    '../_base_/schedules/schedule_voc_small.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CamVid', split='1-1')
model = dict(
    data_preprocessor=dict(size=(160, 160)),
    # ImageNet weights, fetched once; init_cfg=None starts from random ones.
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2')))
# CamVid at 320 x 240, a folder for each sequence: images/SEQUENCE/*.jpg, labels/SEQUENCE/*.png
# (index masks, 0-10 classes, 11 void).
data_root = 'data/camvid'
crop_size = (160, 160)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(320, 240), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
_source = dict(
    type='BaseSegDataset',
    data_root=data_root,
    data_prefix=dict(img_path='images', seg_map_path='labels'))
train_dataloader = dict(
    batch_size=8, num_workers=2, dataset=dict(**_source, pipeline=train_pipeline))
# Every image has the same size.
test_dataloader = dict(
    batch_size=8, num_workers=2, dataset=dict(**_source, pipeline=test_pipeline))
# As on the part of VOC, with fewer iterations: a sequence has fewer images.
train_cfg = dict(max_iters=400)
step_overrides = {'1:': dict(train_cfg=dict(max_iters=60))}
