method = dict(type='FineTune')
