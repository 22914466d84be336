method = dict(type='PLOP')
