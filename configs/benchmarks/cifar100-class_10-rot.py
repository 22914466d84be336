# With self-supervised label augmentation: four rotations.
_base_ = ['./cifar100-class_10.py']
model = dict(rotations=True)
optim_wrapper = dict(
    optimizer=dict(weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(heads=dict(lr_mult=50.0))))
