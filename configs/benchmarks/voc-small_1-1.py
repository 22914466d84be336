# The first task is one class, with few images.
_base_ = ['./voc-small_11-1.py']
protocol = dict(split='1-1')
train_cfg = dict(max_iters=300)
