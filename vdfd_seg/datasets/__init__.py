"""How images and labels are served; importing it registers its transforms and functions."""

from vdfd_seg.datasets.digit_scenes import write_digit_scenes
from vdfd_seg.datasets.digit_scenes_meta import CLASSES as DIGIT_SCENES_CLASSES
from vdfd_seg.datasets.digit_scenes_meta import PALETTE as DIGIT_SCENES_PALETTE
from vdfd_seg.datasets.index import ClassIndex, build_index
from vdfd_seg.datasets.transforms import MaskLabels

__all__ = [
    "DIGIT_SCENES_CLASSES",
    "DIGIT_SCENES_PALETTE",
    "ClassIndex",
    "MaskLabels",
    "build_index",
    "write_digit_scenes",
]
