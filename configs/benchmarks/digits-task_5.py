_base_ = [
    '../_base_/models/preact-r18.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='Digits', tasks=5, scenario='task')
# An eighth of ResNet-18's width. Digits are not mirrored; a crop of four pixels would miss them.
model = dict(
    data_preprocessor=dict(mean=(0.3,) * 3, std=(0.38,) * 3, crop_padding=1, flip=False),
    backbone=dict(widths=(8, 16, 32, 64)))
# scikit-learn's scanned digits, 8 x 8; written on first use.
data_root = 'data/digits'
data_preparation = dict(type='vdfd_seg.write_digits', root=data_root)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='train'))
test_dataloader = dict(
    batch_size=250,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='test'))
train_cfg = dict(max_epochs=20)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
