# LwF's weight of 100, divided by the 19 classes.
method = dict(type='VDFDPlus', family='categorical', weight=5.0)
