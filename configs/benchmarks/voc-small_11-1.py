# A step of one class has half of the iterations that one of five has.
_base_ = ['./voc-small_11-5.py']
protocol = dict(split='11-1')
step_overrides = {'1:': dict(train_cfg=dict(max_iters=75))}
