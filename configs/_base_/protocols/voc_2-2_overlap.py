protocol = dict(type='VOC', split='2-2', setting='overlap')
