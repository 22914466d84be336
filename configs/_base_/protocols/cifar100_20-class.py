protocol = dict(type='CIFAR100', tasks=20, scenario='class')
