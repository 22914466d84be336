_base_ = ['../finetune/finetune_preact-r18-w8_1xb32-20e_digits-5-task.py']
method = dict(
    type='VDFDPlus', family='categorical', temperature=2.0, weight=3.0, gaussians=0.1)
