_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-10-task.py']
method = dict(type='VDFD', weight=10.0)
