_base_ = ['../finetune/finetune-unce_deeplabv3_r18-d4_digitscenes-4-3.py']
# MiB's weight of 10, divided by the 5 old classes as its loss is.
method = dict(
    type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=2.0)
method_name = 'VDFDPlus + UNCE'
