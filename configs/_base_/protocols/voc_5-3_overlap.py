protocol = dict(type='VOC', split='5-3', setting='overlap')
