_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-20-task-rot.py']
method = dict(type='MAS', weight=1.0)
