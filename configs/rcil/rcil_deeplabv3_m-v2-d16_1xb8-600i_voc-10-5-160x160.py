_base_ = ['../finetune/finetune-unce_deeplabv3_m-v2-d16_1xb8-600i_voc-10-5-160x160.py']
method = dict(type='RCIL')
method_name = 'RCIL'
