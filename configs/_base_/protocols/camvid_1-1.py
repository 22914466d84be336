protocol = dict(type='CamVid', split='1-1')
