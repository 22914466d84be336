# All images of a task, one by one, would take longer than its training on two cores.
method = dict(type='EWC', weight=5000.0, images=120)
