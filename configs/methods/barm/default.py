method = dict(type='BARM')
