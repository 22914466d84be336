_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-20-task-rot.py']
method = dict(type='VDFD', weight=5.0)
