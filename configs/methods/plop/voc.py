# The released code's unit of the entropy, which decides how many pixels get a label.
method = dict(type='PLOP', entropy='released')
