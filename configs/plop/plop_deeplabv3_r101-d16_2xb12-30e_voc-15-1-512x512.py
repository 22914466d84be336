_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-30e_voc-15-1-512x512.py']
# The released code's unit of the entropy, which decides how many pixels get a label.
method = dict(type='PLOP', entropy='released')
