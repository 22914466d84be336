method = dict(type='VDFD', weight=1.0)
method_name = 'VDFD + UNCE'
