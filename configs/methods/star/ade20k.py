# The weight of new classes' pixels in the released configuration for ADE20K.
method = dict(type='STAR', pos_weight=30.0)
