# With self-supervised label augmentation: four rotations.
_base_ = ['./finetune_preact-r18_1xb32-80e_cifar100-20-task.py']
model = dict(rotations=True)
