protocol = dict(type='VOC', split='1-1', setting='overlap')
