_base_ = ['./voc_11-5_segformer_mit-b0.py']
protocol = dict(split='11-1')
