# All images of a task would take longer than its training on two cores.
method = dict(type='VDFD', weight=1.0, images=60, old_rows='penalised')
