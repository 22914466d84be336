_base_ = ['../finetune/finetune_preact-r18_1xb32-80e_cifar100-10-task-rot.py']
method = dict(type='VDFDPlus', weight=3.0, gaussians=0.1)
