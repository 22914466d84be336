_base_ = ['./digits-task_5.py']
protocol = dict(scenario='class')
