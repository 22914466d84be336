"""Incremental learning techniques for semantic segmentation."""

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.methods.common.options import not_negative, option, positive
from vdfd_seg.methods.lwf import LwF
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class ILT(LwF):
    r"""Distils the old classes' outputs, and the features.

    .. math::
        L = L_{CE} + \lambda\, \ell_{LwF} + \mu\, \frac{1}{|E|} \sum_{e \in E}
        (h_e - \tilde h_e)^2

    with :func:`~vdfd_seg.losses.distillation_loss` divided by the number of old classes, and
    E the elements of the backbone's output h that the main head takes as input (before ASPP; the
    mean over maps where there are several).

    Michieli and Zanuttigh, ICCV Workshops 2019; this form and the defaults are those of the code
    of Cermelli et al., CVPR 2020.

    Args:
        weight: :math:`\lambda`.
        feature_weight: :math:`\mu`.
        temperature: Of the output's distillation.
        average_classes: Divide the output's distillation by the number of old classes.
    """

    problems = ("segmentation",)
    weight: float = not_negative(100.0)
    temperature: float = positive(1.0)
    average_classes: bool = option(True)
    variant = "facil"
    feature_weight: float = not_negative(100.0)

    def losses_of(self, adapter, outputs, old, samples) -> dict[str, Tensor]:
        """The weighted distillations of the outputs and of the features."""
        pairs = list(zip(adapter.body(outputs), adapter.body(old), strict=True))
        terms = [F.mse_loss(new.float(), past.float()) for new, past in pairs]
        features = self.feature_weight * (sum(terms[1:], start=terms[0]) / len(terms))
        losses = super().losses_of(adapter, outputs, old, samples)
        return {**losses, "loss_features": features}
