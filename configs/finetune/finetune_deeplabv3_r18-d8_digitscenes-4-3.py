_base_ = [
    '../_base_/models/deeplabv3_r18-d8.py',
    '../_base_/datasets/digitscenes.py',
    '../_base_/protocols/digitscenes_4-3.py',
    '../_base_/schedules/schedule_digitscenes.py',
    '../_base_/default_runtime.py',
]
# A quarter of ResNet-18's width: small enough for two CPU cores, without pretrained weights.
model = dict(
    data_preprocessor=dict(size=(96, 96)),
    backbone=dict(type='ResNet', base_channels=16, stem_channels=16),
    decode_head=dict(in_channels=128, channels=64, dilations=(1, 2, 4)))
method = dict(type='FineTune')
