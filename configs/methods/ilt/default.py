method = dict(type='ILT', weight=100.0, feature_weight=100.0)
