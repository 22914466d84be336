_base_ = ['../benchmarks/voc_11-1.py', '../methods/vdfd-plus/voc.py']
