method = dict(type='VDFDPlus', family='categorical', weight=1.0)
