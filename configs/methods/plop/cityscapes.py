# The weights of the released script for 11-1.
method = dict(
    type='PLOP',
    feature_weight=1e-4,
    logits_weight=1e-4,
    use_pseudo_labels=False,
    adaptive_factor=False)
