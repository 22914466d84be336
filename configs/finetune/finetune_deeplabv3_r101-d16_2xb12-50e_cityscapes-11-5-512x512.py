_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/cityscapes_512x512.py',
    '../_base_/protocols/cityscapes_11-5.py',
    '../_base_/schedules/schedule_cityscapes_50e.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(512, 512)))
method = dict(type='FineTune')
