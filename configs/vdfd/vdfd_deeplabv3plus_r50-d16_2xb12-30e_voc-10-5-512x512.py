_base_ = [
    '../_base_/models/deeplabv3plus_r50-d16.py',
    '../_base_/datasets/voc_512x512.py',
    '../_base_/protocols/voc_10-5_overlap.py',
    '../_base_/schedules/schedule_voc_30e.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    decode_head=dict(loss_decode=dict(type='vdfd_seg.UnbiasedCrossEntropyLoss')))
method = dict(type='VDFD', weight=1.0)
method_name = 'VDFD + UNCE'
