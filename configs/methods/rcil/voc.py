# The released code copies the background's weights and leaves the biases, on VOC.
method = dict(type='RCIL', new_rows='weights')
