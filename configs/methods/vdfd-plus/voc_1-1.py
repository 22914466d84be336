_base_ = './voc.py'
# The first task has one class: the head keeps what else the backbone knows.
method = dict(reconstruct=100)
