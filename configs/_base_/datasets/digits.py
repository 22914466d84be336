# scikit-learn's scanned digits, 8 x 8; written on first use.
data_root = 'data/digits'
data_preparation = dict(type='vdfd_seg.write_digits', root=data_root)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='train'))
test_dataloader = dict(
    batch_size=250,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='test'))
