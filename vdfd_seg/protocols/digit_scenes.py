"""DigitScenes, the embedded data set: its classes and class-incremental protocols."""

import colorsys

from vdfd_seg.protocols.protocol import Protocol
from vdfd_seg.protocols.voc import class_incremental

CLASSES = (
    "background", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip


def _colour(digit: int) -> tuple[int, int, int]:
    """Ten hues, alternating in brightness so that neighbours differ in print too."""
    red, green, blue = colorsys.hsv_to_rgb(digit / 10, 0.8, 0.95 if digit % 2 else 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)


PALETTE = ((0, 0, 0), *(_colour(digit) for digit in range(10)))


def digit_scenes(split: str = "4-3", **rules) -> Protocol:
    """Ten digits as classes; ``split`` is any ``X-Y`` that fits ten, default ``4-3``."""
    return class_incremental(split, "DigitScenes", CLASSES, split, PALETTE, **rules)
