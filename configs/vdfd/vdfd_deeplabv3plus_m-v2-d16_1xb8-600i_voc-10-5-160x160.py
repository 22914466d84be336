_base_ = [
    '../_base_/models/deeplabv3plus_m-v2-d16.py',
    '../_base_/datasets/voc_160x160.py',
    '../_base_/protocols/voc_10-5_overlap.py',
    '../_base_/schedules/schedule_voc_small.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(160, 160)),
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
method = dict(type='VDFD', weight=0.01, images=60)
method_name = 'VDFD + UNCE'
