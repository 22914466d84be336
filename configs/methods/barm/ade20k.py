# The rate of what is new in the released script for ADE20K.
method = dict(type='BARM', ear_lr=0.01)
