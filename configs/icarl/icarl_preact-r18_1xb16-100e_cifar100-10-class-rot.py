_base_ = ['../finetune/finetune_preact-r18_1xb16-100e_cifar100-10-class-rot.py']
# Stores data: 2,000 images.
method = dict(type='ICaRL', exemplars=2000)
