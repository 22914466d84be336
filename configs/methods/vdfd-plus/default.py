# MiB's weight of 10, divided by the 5 old classes of DigitScenes as its loss is.
method = dict(type='VDFDPlus', family='categorical', weight=2.0)
method_name = 'VDFDPlus + UNCE'
