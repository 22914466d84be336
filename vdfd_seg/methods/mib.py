"""Modeling the background."""

from torch import Tensor

from vdfd_seg.losses import unbiased_distillation
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.methods.common.teacher import TeacherMethod
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class MiB(TeacherMethod):
    r"""Distils under the background shift.

    .. math::
        L = L_{UNCE} + \lambda\, \ell_{UNKD},

    the distillation of :func:`~vdfd_seg.losses.unbiased_distillation` at the resolution of
    the labels, for the main head alone (the authors' network has no other). Where no old class is
    hidden in the background (domain-incremental, or no background class) it is the plain
    distillation of the old classes, under the plain cross-entropy.
    Cermelli et al., CVPR 2020; defaults of the authors' code.

    Args:
        weight: :math:`\lambda`.
        alpha: Hardens the old network's distribution.

    Raises:
        InputError: For a negative weight, or an alpha that is not positive.
    """

    problems = ("segmentation",)
    unbiased_loss = True
    new_rows = "balanced"
    without_background = "the plain distillation of the old classes"

    def __init__(self, weight: float = 10.0, alpha: float = 1.0):
        super().__init__()
        not_negative(self, weight=weight)
        positive(self, alpha=alpha)
        self.weight = weight
        self.alpha = alpha
        self.hides = False

    def before_task(self, context: TaskContext) -> None:
        """Take the teacher, and note whether the background hides its classes."""
        super().before_task(context)
        self.hides = self.num_hidden(context) > 0

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted unbiased distillation."""
        if self.teacher is None:
            return {}
        new = adapter.at_labels(outputs.logits, samples)
        old = adapter.at_labels(adapter.old_logits(self.teacher, outputs), samples)
        if not self.hides:
            new = new[:, : self.num_old]
        return {"loss_kd": self.weight * unbiased_distillation(new, old, self.alpha)}
