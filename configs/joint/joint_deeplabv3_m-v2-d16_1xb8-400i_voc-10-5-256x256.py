_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_voc-10-5-256x256.py']
method = dict(type='Joint')
