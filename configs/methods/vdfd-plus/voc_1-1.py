_base_ = './voc.py'
# The first task has one class: the head keeps what the backbone knows besides.
method = dict(reconstruct=100)
