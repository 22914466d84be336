_base_ = ['../finetune/finetune-unce_deeplabv3_m-v2-d16_1xb8-300i_voc-10-5-192x192.py']
# The estimate of a mean gradient has settled long before all images are read.
method = dict(type='VDFD', weight=1.0, images=100)
method_name = 'VDFD + UNCE'
