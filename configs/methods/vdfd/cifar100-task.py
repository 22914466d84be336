method = dict(type='VDFD', weight=10.0, images=None)
