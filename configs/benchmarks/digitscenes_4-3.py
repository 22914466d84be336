_base_ = [
    '../_base_/models/deeplabv3_r18-d8.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='DigitScenes', split='4-3', setting='overlap')
# A quarter of ResNet-18's width, three stages and output stride 4: small enough for two CPU
# cores without pretrained weights, fine enough for strokes of a few pixels.
model = dict(
    data_preprocessor=dict(size=(64, 64)),
    backbone=dict(
        type='ResNet',
        base_channels=16,
        stem_channels=16,
        num_stages=3,
        strides=(1, 1, 1),
        dilations=(1, 1, 2),
        out_indices=(0, 1, 2)),
    decode_head=dict(in_channels=64, in_index=2, channels=32, dilations=(1, 3, 6)))
data_root = 'data/digitscenes'
# The data set is written on first use; see vdfd_seg/datasets/embedded/digit_scenes.py.
data_preparation = dict(
    type='vdfd_seg.write_digit_scenes', root=data_root, num_train=800, size=(64, 64))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(64, 64), ratio_range=(1.0, 1.15), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(64, 64)),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/train.txt',
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=20,
    num_workers=0,
    dataset=dict(
        type='BaseSegDataset',
        data_root=data_root,
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline))
train_cfg = dict(max_iters=1000)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
    clip_grad=dict(max_norm=5.0))
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=1e-4)]
step_overrides = {
    '1:': dict(train_cfg=dict(max_iters=300), optim_wrapper=dict(optimizer=dict(lr=0.03)))
}
