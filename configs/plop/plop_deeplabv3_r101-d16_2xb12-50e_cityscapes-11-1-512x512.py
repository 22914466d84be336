_base_ = ['../finetune/finetune_deeplabv3_r101-d16_2xb12-50e_cityscapes-11-1-512x512.py']
method = dict(
    type='PLOP',
    feature_weight=1e-4,
    logits_weight=1e-4,
    use_pseudo_labels=False,
    adaptive_factor=False)
