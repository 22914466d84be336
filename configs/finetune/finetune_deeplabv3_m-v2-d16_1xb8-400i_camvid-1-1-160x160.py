_base_ = [
    '../_base_/models/deeplabv3_m-v2-d16.py',
    '../_base_/datasets/camvid_160x160.py',
    '../_base_/protocols/camvid_1-1.py',
    '../_base_/schedules/schedule_camvid.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(160, 160)))
method = dict(type='FineTune')
