"""The maps that PLOP and RCIL distil, and the factor of their distillation."""

import math

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses import merge_new_classes
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.teacher import TeacherMethod
from vdfd_seg.models import Outputs, SegmentationAdapter


class MapDistillation(TeacherMethod):
    r"""Distils maps of the network, in full precision.

    Attributes:
        growth: :math:`\sqrt{C / C_{new}}` of all classes and the step's; 1 where no class is new.
    """

    problems = ("segmentation",)
    growth = 1.0
    _background = False

    def before_task(self, context: TaskContext) -> None:
        """Take the teacher, and find the factor of the step."""
        super().before_task(context)
        self._background = context.protocol.background is not None
        total = context.protocol.num_classes(context.step)
        if self.num_old and total > self.num_old:
            self.growth = math.sqrt(total / (total - self.num_old))

    def maps(self, adapter: SegmentationAdapter, outputs: Outputs) -> list[Tensor]:
        """Maps of the backbone's stages, the input of the classifier, and low-resolution logits.

        The last two are without the head's dropout, and the logits as many as the old network's,
        see :func:`~vdfd_seg.losses.merge_new_classes`.
        """
        rows, bias = adapter.classifier()
        embedding = outputs.before_dropout
        assert embedding is not None
        # The logits once more, of the embedding without dropout.
        logits = F.conv2d(embedding.to(rows.dtype), rows[:, :, None, None], bias)
        merged = merge_new_classes(logits, self.num_old, self._background)
        return [*outputs.features, embedding, merged]

    def both_maps(
        self, adapter: SegmentationAdapter, outputs: Outputs, old: Outputs
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Those of the network that trains, and of the teacher, whose outputs ``old`` are."""
        assert self.teacher is not None
        teacher = SegmentationAdapter(self.teacher)
        return self.maps(adapter, outputs), self.maps(teacher, old)
