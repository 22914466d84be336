method = dict(
    type='VDFDPlus', family='categorical', temperature=2.0, weight=3.0, gaussians=0.1)
