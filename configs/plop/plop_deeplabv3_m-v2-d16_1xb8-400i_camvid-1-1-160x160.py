_base_ = ['../finetune/finetune_deeplabv3_m-v2-d16_1xb8-400i_camvid-1-1-160x160.py']
# The weights published for Cityscapes by domain.
method = dict(type='PLOP', feature_weight=1e-4, logits_weight=1e-4)
