method = dict(type='EWC', weight=5000.0)
