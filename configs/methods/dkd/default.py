method = dict(type='DKD')
