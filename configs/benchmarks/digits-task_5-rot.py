# With self-supervised label augmentation: four rotations.
_base_ = ['./digits-task_5.py']
model = dict(rotations=True)
