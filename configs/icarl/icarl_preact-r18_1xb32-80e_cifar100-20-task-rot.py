_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-20-task-rot.py']
# Stores data: 2,000 images.
method = dict(type='ICaRL', exemplars=2000)
