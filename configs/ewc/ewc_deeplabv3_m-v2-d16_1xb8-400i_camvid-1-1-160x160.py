_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_camvid-1-1-160x160.py']
# All images of a task, one by one, would take longer than its training on two cores.
method = dict(type='EWC', weight=5000.0, images=120)
