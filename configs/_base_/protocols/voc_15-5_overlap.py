protocol = dict(type='VOC', split='15-5', setting='overlap')
