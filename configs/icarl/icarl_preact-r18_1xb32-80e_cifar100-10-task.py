_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-10-task.py']
# Stores data: 2,000 images.
method = dict(type='ICaRL', exemplars=2000)
