"""The maps that PLOP and RCIL distil, and the factor of their distillation."""

import math

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses import merge_new_classes
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.models.adapters.segmentation import Outputs, SegmentationAdapter


def distilled_maps(
    adapter: SegmentationAdapter, outputs: Outputs, num_old: int, background: bool
) -> list[Tensor]:
    """Maps of the backbone's stages, the input of the classifier, and the low-resolution logits.

    The last two are without the head's dropout.

    Args:
        adapter: Of the network.
        outputs: Of one forward pass of it.
        num_old: Number of classes of the old network; the logits get as many channels, see
            :func:`~vdfd_seg.losses.merge_new_classes`.
        background: Whether class 0 is a background.
    """
    rows, bias = adapter.classifier()
    embedding = outputs.before_dropout
    assert embedding is not None
    # The logits once more, of the embedding without dropout.
    logits = F.conv2d(embedding.to(rows.dtype), rows[:, :, None, None], bias)
    return [*outputs.features, embedding, merge_new_classes(logits, num_old, background)]


def growth_factor(context: TaskContext) -> float:
    r""":math:`\sqrt{C / C_{new}}` of all classes and the step's; 1 where no class is new."""
    total = context.protocol.num_classes(context.step)
    added = total - context.num_old
    return math.sqrt(total / added) if added else 1.0
