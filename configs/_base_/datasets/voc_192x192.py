# Pascal VOC 2012 with SBD's masks: JPEGImages/, SegmentationClassAug/ (index masks, 0 background,
# 1-20 classes, 255 void) and the image lists train.txt (augmented) and val.txt.
data_root = 'data/VOCaug'
crop_size = (192, 192)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(256, 256), ratio_range=(0.75, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.9),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(256, 256), keep_ratio=True),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
_source = dict(
    type='BaseSegDataset',
    data_root=data_root,
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'))
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(**_source, ann_file='ImageSets/Segmentation/train.txt', pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    dataset=dict(**_source, ann_file='ImageSets/Segmentation/val.txt', pipeline=test_pipeline))
