_base_ = ['../benchmarks/cityscapes_11-5.py', '../methods/vdfd-plus/cityscapes.py']
