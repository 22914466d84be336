# LwF's weight of 100, divided by the 19 classes.
method = dict(type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=5.0)
