# Stores data: 2,000 images.
method = dict(type='ICaRL', exemplars=2000)
