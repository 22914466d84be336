"""A tiny data set and a tiny config for tests of whole commands."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("background", "red", "green", "blue", "cyan", "pink", "gold")
TASKS = (("background", "green", "red"), ("gold", "blue"), ("pink", "cyan"))
COLOURS = {
    "red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "cyan": (20, 210, 210),
    "pink": (230, 60, 200), "gold": (220, 200, 40),
}  # fmt: skip
TRAIN = (
    ("red", "green"), ("red",), ("green", "blue"), ("red", "pink"), ("green",), ("blue", "gold"),
    ("blue",), ("gold", "cyan"), ("gold", "red"), ("pink", "cyan"), ("pink",), ("cyan", "green"),
)  # fmt: skip
"""The classes of each training image: one 16x16 rectangle, then one 20x20, whose last rows are
void: 240 and 380 pixels."""
VAL = (
    ("red", "green"), ("green", "blue"), ("blue", "gold"), ("pink", "red"), ("cyan", "gold"),
    ("pink", "cyan"),
)  # fmt: skip
VOID = 255


class Interrupted(Exception):
    """What a test ends a run with."""


def write_scenes(root: Path, void: bool = True) -> Path:
    """Write the data set in VOC's layout; without ``void`` every pixel has a class."""
    generator = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for split, scenes in (("train", TRAIN), ("val", VAL)):
        names = [f"{split}_{number:02d}" for number in range(len(scenes))]
        for number, (name, scene) in enumerate(zip(names, scenes, strict=True)):
            # One image of another shape in each split.
            image = generator.integers(90, 140, (48, 60 if number == 1 else 48, 3))
            mask = np.zeros(image.shape[:2], np.uint8)
            for (top, left, side), kind in zip(((4, 4, 16), (26, 24, 20)), scene, strict=False):
                image[top : top + side, left : left + side] = COLOURS[kind]
                mask[top : top + side, left : left + side] = CLASSES.index(kind)
                if void:
                    mask[top + side - 1, left : left + side] = VOID
            picture = Image.fromarray(image.astype(np.uint8))
            picture.save(root / f"JPEGImages/{name}.jpg", quality=95)
            index = Image.fromarray(mask)
            index.putpalette(list(range(256)) * 3)
            index.save(root / f"SegmentationClass/{name}.png")
        listing = "".join(f"{name}\n" for name in names)
        (root / f"ImageSets/Segmentation/{split}.txt").write_text(listing)
    return root


def tiny_config(data_root: Path) -> dict:
    """VDFD under the unbiased cross-entropy: three tasks of 32, 8 and 8 iterations."""
    # A large momentum: the statistics shall mean something after a few iterations.
    normalisation = dict(type="BN", requires_grad=True, momentum=0.5)

    def loader(batch_size, split, transforms):
        return dict(
            batch_size=batch_size,
            num_workers=0,
            dataset=dict(
                type="BaseSegDataset",
                data_root=str(data_root),
                data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
                ann_file=f"ImageSets/Segmentation/{split}.txt",
                pipeline=transforms,
            ),
        )

    return dict(
        default_scope="mmseg",
        model=dict(
            type="EncoderDecoder",
            data_preprocessor=dict(
                type="SegDataPreProcessor",
                mean=[120.0, 120.0, 120.0],
                std=[60.0, 60.0, 60.0],
                bgr_to_rgb=True,
                pad_val=0,
                seg_pad_val=255,
                size=(48, 48),
            ),
            backbone=dict(
                type="ResNet",
                depth=18,
                base_channels=4,
                stem_channels=4,
                num_stages=3,
                strides=(1, 1, 1),
                dilations=(1, 1, 2),
                out_indices=(0, 1, 2),
                norm_cfg=normalisation,
            ),
            decode_head=dict(
                type="ASPPHead",
                in_channels=16,
                in_index=2,
                channels=32,
                dilations=(1, 2),
                dropout_ratio=0.05,
                num_classes=1,
                norm_cfg=normalisation,
                align_corners=False,
                loss_decode=dict(type="vdfd_seg.UnbiasedCrossEntropyLoss"),
            ),
            train_cfg=dict(),
            test_cfg=dict(mode="whole"),
        ),
        protocol=dict(
            type="Custom",
            name="tiny",
            dataset="Rectangles",
            classes=list(CLASSES),
            tasks=[list(names) for names in TASKS],
        ),
        method=dict(type="VDFD", weight=1.0),
        train_dataloader=loader(
            4,
            "train",
            [
                dict(type="LoadImageFromFile"),
                dict(type="LoadAnnotations"),
                dict(type="RandomResize", scale=(48, 48), ratio_range=(0.8, 1.3), keep_ratio=True),
                dict(type="RandomCrop", crop_size=(48, 48)),
                dict(type="RandomFlip", prob=0.5),
                dict(type="PhotoMetricDistortion"),
                dict(type="PackSegInputs"),
            ],
        ),
        test_dataloader=loader(
            1,
            "val",
            [
                dict(type="LoadImageFromFile"),
                dict(type="Resize", scale=(48, 48), keep_ratio=True),
                dict(type="LoadAnnotations"),
                dict(type="PackSegInputs"),
            ],
        ),
        train_cfg=dict(max_iters=8),
        step_overrides={"0": dict(train_cfg=dict(max_iters=32))},
        optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=0.01)),
        param_scheduler=[dict(type="PolyLR", power=0.9, eta_min=1e-4)],
        save_interval=50,
        examples=2,
        seed=3,
        log_level="WARNING",
        default_hooks=dict(logger=dict(type="LoggerHook", interval=50)),
    )


def changed(config: dict, changes: dict) -> dict:
    """A copy with values set at dotted keys; a value of ``...`` takes the key away."""
    config = dict(config)
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        if rest:
            config[head] = changed(config[head], {rest: value})
        elif value is ...:
            del config[head]
        else:
            config[head] = value
    return config


def write_config(path: Path, config: dict) -> Path:
    """Write a config as a Python file."""
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()))
    return path


def tiny_classifier_config(data_root: Path, method: dict, scenario: str = "task") -> dict:
    """Three tasks of two digits each, two passes over each."""

    def loader(batch_size, split):
        return dict(
            batch_size=batch_size,
            dataset=dict(type="vdfd_seg.ImageArrays", data_root=str(data_root), split=split),
        )

    return dict(
        default_scope="mmseg",
        model=dict(
            type="vdfd_seg.ContinualClassifier",
            data_preprocessor=dict(
                type="vdfd_seg.ImageBatchPreprocessor",
                mean=(0.3, 0.3, 0.3),
                std=(0.4, 0.4, 0.4),
                crop_padding=1,
                flip=False,
            ),
            backbone=dict(type="vdfd_seg.PreActResNet", depths=(1, 1), widths=(8, 16)),
        ),
        protocol=dict(type="Digits", num_classes=6, tasks=3, scenario=scenario),
        method=method,
        train_dataloader=loader(16, "train"),
        test_dataloader=loader(64, "test"),
        train_cfg=dict(max_epochs=2),
        optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=0.003)),
        param_scheduler=[dict(type="MultiStepLR", by_epoch=True, milestones=[1], gamma=0.5)],
        save_interval=7,
        seed=3,
        log_level="WARNING",
        default_hooks=dict(logger=dict(type="LoggerHook", interval=50)),
    )
