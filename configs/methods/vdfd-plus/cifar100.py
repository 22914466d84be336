method = dict(
    type='VDFDPlus', weight=3.0, gaussians=0.1)
