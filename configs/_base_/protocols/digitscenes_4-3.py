protocol = dict(type='DigitScenes', split='4-3', setting='overlap')
