method = dict(type='LwFMC', weight=10.0)
method_name = 'LwF-MC'
