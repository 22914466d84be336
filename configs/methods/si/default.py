method = dict(type='SI', weight=0.2)
