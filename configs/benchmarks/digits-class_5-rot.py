# With self-supervised label augmentation: four rotations.
_base_ = ['./digits-class_5.py']
model = dict(rotations=True)
