protocol = dict(type='VOC', split='10-1', setting='overlap')
