method = dict(type='MAS', weight=1.0)
