protocol = dict(type='VOC', split='15-1', setting='overlap')
