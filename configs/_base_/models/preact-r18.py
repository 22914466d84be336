# Pre-activation ResNet-18 for small images; one bias-free head a task.
model = dict(
    type='vdfd_seg.ContinualClassifier',
    data_preprocessor=dict(
        type='vdfd_seg.ImageBatchPreprocessor',
        mean=(0.507, 0.487, 0.441),
        std=(0.267, 0.256, 0.276),
        crop_padding=4,
        flip=True),
    backbone=dict(type='vdfd_seg.PreActResNet', depths=(2, 2, 2, 2), widths=(64, 128, 256, 512)))
