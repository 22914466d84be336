_base_ = ['../finetune/finetune-unce_deeplabv3_m-v2-d16_1xb8-600i_voc-10-5-160x160.py']
# MiB's weight of 10, divided by the 11 old classes as its loss is.
method = dict(
    type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=0.9)
method_name = 'VDFDPlus + UNCE'
