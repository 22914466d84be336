# The weights published for domain-incremental Cityscapes.
method = dict(type='PLOP', feature_weight=1e-4, logits_weight=1e-4)
