# The first 50 classes, ten a task.
protocol = dict(type='CIFAR100', num_classes=50, tasks=5, scenario='task')
