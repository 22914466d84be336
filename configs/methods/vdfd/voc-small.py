# All images of a task would take longer than its training on two cores.
method = dict(type='VDFD', weight=0.01, images=60)
method_name = 'VDFD + UNCE'
