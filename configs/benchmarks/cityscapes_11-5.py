_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/cityscapes_512x512.py',
    '../_base_/schedules/schedule_cityscapes_50e.py',
    '../_base_/default_runtime.py',
]
# domain_split='published' is the one of the published numbers; it tests on trained images.
protocol = dict(type='Cityscapes', split='11-5', domain_split='clean')
model = dict(data_preprocessor=dict(size=(512, 512)))
