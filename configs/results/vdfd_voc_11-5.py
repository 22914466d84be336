_base_ = ['../benchmarks/voc_11-5.py', '../methods/vdfd/default.py']
