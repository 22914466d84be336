protocol = dict(type='VOC', split='19-1', setting='overlap')
