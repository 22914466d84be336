_base_ = ['../finetune/finetune_preact-r18-w8_1xb32-20e_digits-5-task.py']
# Stores data: 100 images.
method = dict(type='ICaRL', exemplars=100)
