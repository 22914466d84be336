# VDFD with identity precision.
method = dict(type='VDFD', precision='identity', weight=10.0, images=None)
method_name = 'DFD'
