method = dict(type='SegACIL')
