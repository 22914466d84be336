# With self-supervised label augmentation: four rotations.
_base_ = ['./cifar100-task_10.py']
model = dict(rotations=True)
