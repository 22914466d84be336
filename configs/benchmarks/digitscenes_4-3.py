_base_ = [
    '../_base_/models/deeplabv3_r18-d8.py',
    '../_base_/datasets/digitscenes.py',
    '../_base_/schedules/schedule_digitscenes.py',
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
