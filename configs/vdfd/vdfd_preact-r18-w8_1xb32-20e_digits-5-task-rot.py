# With self-supervised label augmentation: four rotations.
_base_ = ['./vdfd_preact-r18-w8_1xb32-20e_digits-5-task.py']
model = dict(rotations=True)
