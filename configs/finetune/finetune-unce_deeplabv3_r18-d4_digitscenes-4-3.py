_base_ = ['./finetune_deeplabv3_r18-d4_digitscenes-4-3.py']
model = dict(
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
method_name = 'FineTune + UNCE'
method = dict(new_rows='balanced')
