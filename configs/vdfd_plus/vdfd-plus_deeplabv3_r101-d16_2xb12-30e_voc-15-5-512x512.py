_base_ = ['../mib/mib_deeplabv3_r101-d16_2xb12-30e_voc-15-5-512x512.py']
# MiB's weight of 10, divided by the 16 old classes of the second task.
method = dict(
    type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=0.6, _delete_=True)
method_name = 'VDFDPlus + UNCE'
