method = dict(type='RCIL')
