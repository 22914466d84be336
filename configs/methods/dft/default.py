method = dict(type='DFT')
