_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-30e_voc-15-5-512x512.py']
model = dict(
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
method = dict(type='VDFD', weight=1.0)
method_name = 'VDFD + UNCE'
