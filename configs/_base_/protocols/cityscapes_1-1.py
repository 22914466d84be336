# domain_split='published' is the one of the published figures; it tests on trained images.
protocol = dict(type='Cityscapes', split='1-1', domain_split='clean')
