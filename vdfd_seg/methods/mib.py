"""Modeling the background."""

from torch import Tensor

from vdfd_seg.losses import unbiased_distillation
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.methods.common.teacher import LogitsDistillation
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class MiB(LogitsDistillation):
    r"""Distils under the background shift.

    .. math::
        L = L_{UNCE} + \lambda\, \ell_{UNKD},

    the distillation of :func:`~vdfd_seg.losses.unbiased_distillation` at the resolution of the
    labels, for the main head alone. Where no old class is hidden in the background it is the plain
    distillation of the old classes, under the plain cross-entropy. Cermelli et al., CVPR 2020;
    defaults of the authors' code.

    Args:
        weight: :math:`\lambda`.
        alpha: Hardens the old network's distribution.
    """

    problems = ("segmentation",)
    unbiased_loss = True
    new_rows = "balanced"
    without_background = "the plain distillation of the old classes"
    weight: float = not_negative(10.0)
    alpha: float = positive(1.0)

    def distilled(self, new: Tensor, old: Tensor) -> Tensor:
        """The unbiased distillation, or the plain one where nothing is hidden."""
        return unbiased_distillation(new if self.hides else new[:, : self.num_old], old, self.alpha)
