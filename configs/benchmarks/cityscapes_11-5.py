_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/schedules/schedule_voc_30e.py',
    '../_base_/default_runtime.py',
]
# domain_split='published' is the one of the published numbers; it tests on trained images.
protocol = dict(type='Cityscapes', split='11-5', domain_split='clean')
model = dict(data_preprocessor=dict(size=(512, 512)))
# Cityscapes' train and val together, as the domain-incremental benchmark of PLOP and RCIL has them:
# the protocol divides them into training and test images. Labels by training id are written by
# tools/dataset_converters/cityscapes.py. The published crops: RandomResizedCrop, areas from a half
# to twice the image's; shorter side to 512 and the middle 512 x 512 in evaluation.
data_root = 'data/cityscapes'
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='vdfd_seg.RandomResizedCrop', size=crop_size, scale=(0.5, 2.0)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='vdfd_seg.EvaluationCrop', size=crop_size, shorter_side=512),
    # For whole images, in inference and pictures.
    dict(type='Resize', scale=(2048, 512), keep_ratio=True, backend='pillow'),
    dict(type='PackSegInputs'),
]
_source = dict(
    type='CityscapesDataset',
    data_root=data_root,
    # Of the converter: train and val.
    ann_file='trainval.txt',
    data_prefix=dict(img_path='leftImg8bit', seg_map_path='gtFine'))
train_dataloader = dict(
    batch_size=12,
    num_workers=4,
    dataset=dict(**_source, pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=12,
    num_workers=4,
    dataset=dict(**_source, pipeline=test_pipeline))
# PLOP on Cityscapes: 50 epochs a step; the rest as on VOC.
train_cfg = dict(max_epochs=50)
