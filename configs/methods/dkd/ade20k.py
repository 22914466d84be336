# The weight of new classes' pixels in the released configuration for ADE20K.
method = dict(type='DKD', pos_weight=35.0)
