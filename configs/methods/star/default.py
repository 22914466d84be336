method = dict(type='STAR')
