_base_ = ['./voc_11-5_upernet_swin-t.py']
protocol = dict(split='11-1')
