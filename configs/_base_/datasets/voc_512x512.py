# The literature's crops: RandomResizedCrop, areas from a half to twice the image's; shorter side
# to 512 and the middle 512 x 512 in evaluation (MiB, PLOP, RCIL).
_base_ = ['./voc_192x192.py']
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
train_dataloader = dict(batch_size=12, num_workers=4, dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(num_workers=4, dataset=dict(pipeline=test_pipeline))
