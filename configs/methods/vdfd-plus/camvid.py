method = dict(type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=1.0)
