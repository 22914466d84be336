_base_ = ['../finetune/finetune_preact-r18_1xb16-100e_cifar100-10-class.py']
method = dict(type='LwF', weight=1.0, temperature=2.0)
