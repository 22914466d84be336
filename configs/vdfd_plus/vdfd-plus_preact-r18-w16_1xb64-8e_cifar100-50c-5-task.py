_base_ = ['../finetune/finetune_preact-r18-w16_1xb64-8e_cifar100-50c-5-task.py']
method = dict(type='VDFDPlus', weight=3.0, num_views=5, gaussians=0.1)
