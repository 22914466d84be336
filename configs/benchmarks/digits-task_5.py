_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/datasets/digits.py',
    '../_base_/schedules/schedule_digits.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='Digits', tasks=5, scenario='task')
# An eighth of ResNet-18's width. Digits are not mirrored; a crop of four pixels would miss them.
model = dict(
    data_preprocessor=dict(mean=(0.3,) * 3, std=(0.38,) * 3, crop_padding=1, flip=False),
    backbone=dict(widths=(8, 16, 32, 64)))
