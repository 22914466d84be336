_base_ = ['../finetune/finetune-unce_deeplabv3_m-v2-d16_1xb8-600i_voc-10-5-160x160.py']
# All images of a task, one by one, would take longer than its training on two cores.
method = dict(type='EWC', weight=5000.0, images=120)
method_name = 'EWC + UNCE'
