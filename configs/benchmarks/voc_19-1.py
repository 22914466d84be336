_base_ = ['./voc_11-5.py']
protocol = dict(split='19-1')
