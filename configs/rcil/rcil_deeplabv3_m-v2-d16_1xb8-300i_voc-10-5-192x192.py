_base_ = ['../finetune/finetune-unce_deeplabv3_m-v2-d16_1xb8-300i_voc-10-5-192x192.py']
method = dict(type='RCIL')
method_name = 'RCIL'
