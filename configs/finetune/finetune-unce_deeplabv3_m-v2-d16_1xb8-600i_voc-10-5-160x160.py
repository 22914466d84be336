_base_ = ['./finetune_deeplabv3_m-v2-d16_1xb8-600i_voc-10-5-160x160.py']
model = dict(
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
method_name = 'FineTune + UNCE'
method = dict(new_rows='balanced')
