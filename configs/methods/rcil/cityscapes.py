# The published weights.
method = dict(
    type='RCIL',
    kd_weight=0.0,
    spatial_weight=5e-4,
    spatial_logits_weight=1e-4,
    channel_weight=1e-4,
    channel_last_weight=0.0)
