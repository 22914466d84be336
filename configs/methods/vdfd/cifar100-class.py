# As in the released code the GCN keeps the width of the features and adds its input. Its loss
# regularises the last old task alone: accumulation='last' does the same.
method = dict(
    type='VDFD',
    weight=50.0,
    images=None,
    precision=dict(type='GCN', lr=1e-4, weight_decay=5e-4, widths=(512, 512), residual=True))
