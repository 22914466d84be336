_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_camvid-1-1-160x160.py']
method = dict(type='VDFDPlus', weight=0.1)
