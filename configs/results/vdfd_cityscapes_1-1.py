_base_ = ['../benchmarks/cityscapes_1-1.py', '../methods/vdfd/cityscapes.py']
