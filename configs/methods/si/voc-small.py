method = dict(type='SI', weight=0.2, unbiased_loss=True, new_rows='balanced')
method_name = 'SI + UNCE'
