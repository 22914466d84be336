# Stores data: 500 images.
method = dict(type='ICaRL', exemplars=500)
