_base_ = ['../finetune/finetune_preact-r18_1xb16-100e_cifar100-20-class.py']
method = dict(type='VDFDPlus', weight=5.0, gaussians=0.1)
