protocol = dict(type='VOC', split='10-5', setting='overlap')
