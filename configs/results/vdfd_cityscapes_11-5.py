_base_ = ['../benchmarks/cityscapes_11-5.py', '../methods/vdfd/cityscapes.py']
