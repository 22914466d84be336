"""Networks and losses, and the views through which methods see them."""

from vdfd_seg.models.growth import grow, register_class_rows
from vdfd_seg.models.learner import ContinualLearner
from vdfd_seg.models.losses import TaskAwareLoss, UnbiasedCrossEntropyLoss
from vdfd_seg.models.segmentation import Outputs, SegmentationView

__all__ = [
    "ContinualLearner",
    "Outputs",
    "SegmentationView",
    "TaskAwareLoss",
    "UnbiasedCrossEntropyLoss",
    "grow",
    "register_class_rows",
]
