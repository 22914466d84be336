_base_ = [
    '../_base_/models/upernet_swin-t.py',
    '../_base_/datasets/voc_512x512.py',
    '../_base_/schedules/schedule_transformer_30e.py',
    '../_base_/default_runtime.py',
]
protocol = dict(type='VOC', split='11-5', setting='overlap')
model = dict(data_preprocessor=dict(size=(512, 512)))
