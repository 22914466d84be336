# Written by tools/dataset_converters/cifar100.py.
data_root = 'data/cifar100'
train_dataloader = dict(
    batch_size=32,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='train'))
test_dataloader = dict(
    batch_size=250,
    dataset=dict(type='vdfd_seg.ImageArrays', data_root=data_root, split='test'))
