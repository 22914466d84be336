protocol = dict(type='CIFAR100', tasks=10, scenario='task')
