_base_ = ['../finetune/finetune_preact-r18-w16_1xb64-8e_cifar100-50c-5-task.py']
method = dict(
    type='VDFDPlus', family='categorical', temperature=2.0, weight=3.0, views=5, gaussians=0.1)
