_base_ = [
    '../_base_/models/deeplabv3_r101-d16.py',
    '../_base_/datasets/cityscapes_512x512.py',
    '../_base_/protocols/cityscapes_11-5.py',
    '../_base_/schedules/schedule_cityscapes_50e.py',
    '../_base_/default_runtime.py',
]
# As in PLOP's code the loss is a mean over all pixels, those ignored included, for every method.
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(loss_decode=dict(avg_non_ignore=False)))
method = dict(type='FineTune')
