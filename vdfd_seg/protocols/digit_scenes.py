"""DigitScenes, the embedded data set: its classes and class-incremental protocols."""

from vdfd_seg.protocols.builders import class_incremental
from vdfd_seg.protocols.digits import CLASSES as DIGITS
from vdfd_seg.protocols.protocol import Protocol

CLASSES = ("background", *DIGITS)

PALETTE = (
    (0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (170, 110, 40),
)  # fmt: skip


def digit_scenes(split: str = "4-3", **rules) -> Protocol:
    """Ten digits as classes; ``split`` is any ``X-Y`` that fits ten, default ``4-3``."""
    return class_incremental("DigitScenes", CLASSES, split, PALETTE, **rules)
