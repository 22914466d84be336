protocol = dict(type='Digits', tasks=5, scenario='class')
