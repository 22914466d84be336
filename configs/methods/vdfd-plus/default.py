# MiB's weight of 10, divided by the 5 old classes of DigitScenes as its loss is.
method = dict(type='VDFDPlus', divergence=dict(type='Softmax', temperature=1.0), weight=2.0)
method_name = 'VDFDPlus + UNCE'
