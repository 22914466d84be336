# Stores data: 100 images.
method = dict(type='ICaRL', exemplars=100)
