_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-1-1-512x512.py']
# LwF's weight of 100, divided by the 19 classes.
method = dict(
    type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=5.0)
