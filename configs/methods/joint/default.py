method = dict(type='Joint')
