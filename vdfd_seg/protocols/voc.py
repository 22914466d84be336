"""Pascal VOC 2012 class-incremental protocols."""

from vdfd_seg.errors import unknown_name
from vdfd_seg.protocols.builders import class_incremental
from vdfd_seg.protocols.protocol import Protocol

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip


def default_palette(num_classes: int) -> list[list[int]]:
    """The colour map of PASCAL VOC (``VOClabelcolormap`` of its development kit).

    Bits 0, 1, 2 of a class index go to the top bits of red, green and blue, bits 3, 4, 5 to the
    next lower ones and so on, so that near indices get far colours.

    Args:
        num_classes: Number of classes, up to 256.

    Returns:
        ``num_classes`` RGB triples of 0..255.
    """

    def channel(index: int, first: int) -> int:
        return sum((index >> (3 * bit + first) & 1) << (7 - bit) for bit in range(8))

    return [[channel(index, first) for first in range(3)] for index in range(num_classes)]


PALETTE = tuple((red, green, blue) for red, green, blue in default_palette(len(CLASSES)))

SPLITS = (
    "offline", "19-1", "15-5", "15-1", "10-5", "10-1", "5-5", "5-3", "5-1", "2-2", "2-1", "1-1",
)  # fmt: skip
ALIASES = {"11-5": "10-5", "11-1": "10-1", "15-5s": "15-1", "10-5-5": "10-5"}
"""Other names of the same splits: counting the background (11-5, 11-1), and MiB's code."""


def voc(split: str, **rules) -> Protocol:
    """Pascal VOC 2012, split ``X-Y`` counting foreground classes as the literature does.

    ``11-5`` and ``11-1`` (counting the background) are other names of ``10-5``
    and ``10-1``. In ``1-1`` the first task is background and aeroplane, so
    there are 20 tasks: a step of background alone would select no image.

    Args:
        split: One of :data:`SPLITS` or :data:`ALIASES`.
        **rules: ``setting``, ``unseen``, ``average``, ``validation``, ``order``.
    """
    name = ALIASES.get(split, split)
    if name not in SPLITS:
        raise unknown_name("VOC split", split, [*SPLITS, *ALIASES])
    return class_incremental("VOC", CLASSES, name, PALETTE, **rules)
