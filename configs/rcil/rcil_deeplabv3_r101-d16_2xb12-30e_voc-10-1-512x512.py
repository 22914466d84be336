_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-30e_voc-10-1-512x512.py']
model = dict(
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
# The released code copies the background's weights and leaves the biases, on VOC.
# The first step's learning rate in the released script; the later ones have 0.001, as elsewhere.
optim_wrapper = dict(optimizer=dict(lr=0.02))
method = dict(type='RCIL', new_rows='weights')
