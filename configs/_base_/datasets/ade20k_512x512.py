# ADE20K's scene parsing challenge, as its archive unpacks: images/ and annotations/ (grey PNG: 0 no
# label, 1-150 classes) of training/ and validation/.
_base_ = ['./voc_512x512.py']
data_root = 'data/ade/ADEChallengeData2016'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='',
        data_prefix=dict(img_path='images/training', seg_map_path='annotations/training')))
test_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        ann_file='',
        data_prefix=dict(img_path='images/validation', seg_map_path='annotations/validation')))
