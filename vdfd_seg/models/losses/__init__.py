"""Losses for continual learning, one file each, registered for mmsegmentation's heads."""

from vdfd_seg.models.losses.task_aware import TaskAwareLoss
from vdfd_seg.models.losses.unbiased_cross_entropy import (
    UnbiasedCrossEntropyLoss,
    unbiased_cross_entropy,
)
from vdfd_seg.models.losses.unbiased_distillation import unbiased_distillation

__all__ = [
    "TaskAwareLoss",
    "UnbiasedCrossEntropyLoss",
    "unbiased_cross_entropy",
    "unbiased_distillation",
]
