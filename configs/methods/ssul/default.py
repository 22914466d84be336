method = dict(type='SSUL')
