_base_ = ['./voc-small_11-5.py']
protocol = dict(split='11-1')
