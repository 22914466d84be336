method = dict(type='MiB', weight=10.0)
