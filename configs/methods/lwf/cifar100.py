method = dict(type='LwF', weight=1.0, temperature=2.0)
