_base_ = ['../finetune/finetune_preact-r18-w8_1xb32-20e_digits-5-task.py']
method = dict(type='VDFDPlus', weight=3.0, gaussians=0.1)
