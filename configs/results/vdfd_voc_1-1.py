_base_ = ['../benchmarks/voc_1-1.py', '../methods/vdfd/default.py']
