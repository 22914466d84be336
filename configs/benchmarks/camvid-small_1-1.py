_base_ = [
    '../_base_/models/deeplabv3_m-v2-d16.py',
    '../_base_/datasets/camvid_160x160.py',
    '../_base_/schedules/schedule_camvid.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='CamVid', split='1-1')
model = dict(data_preprocessor=dict(size=(160, 160)))
