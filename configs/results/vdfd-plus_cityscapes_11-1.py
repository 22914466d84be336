_base_ = ['../benchmarks/cityscapes_11-1.py', '../methods/vdfd-plus/cityscapes.py']
