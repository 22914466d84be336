"""Learning without forgetting, with one binary classifier a class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses import wide
from vdfd_seg.methods.common.options import not_negative
from vdfd_seg.methods.common.teacher import LogitsDistillation, sigmoid_distillation
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


def binary_cross_entropy(
    logits: Tensor, labels: Tensor, ignore_index: int = IGNORE_INDEX
) -> Tensor:
    r"""Sum over classes of the binary cross-entropies, mean over all pixels.

    .. math::
        \ell = \frac{1}{|P|} \sum_{p : y_p \ne \text{ignore}} \sum_c
        \mathrm{BCE}\big(\sigma(z_{p,c}), [y_p = c]\big).

    Args:
        logits: ``(N, C, H, W)`` scores.
        labels: ``(N, H, W)`` integers in [0, C) or ``ignore_index``, whose loss is 0.
    """
    logits = wide(logits)
    counts = labels != ignore_index
    classes = torch.arange(logits.shape[1], device=labels.device)
    target = labels[:, None] == classes[:, None, None]
    loss = F.binary_cross_entropy_with_logits(logits, target.to(logits), reduction="none").sum(1)
    return loss.masked_fill(~counts, 0).mean()


@METHODS.register_module()
class LwFMC(LogitsDistillation):
    r"""LwF-MC, "multi-class": iCaRL's training loss without its exemplars.

    .. math::
        L = \ell_{BCE} + \lambda \frac{1}{|P|} \sum_p \sum_{c<K} \mathrm{BCE}\big(
        \sigma(z_{p,c}), \sigma(\tilde z_{p,c})\big)

    with :func:`binary_cross_entropy` over all classes, from the first step on, in place of the main
    head's loss, and :math:`\tilde z` the logits of the network of the step before, at all pixels.
    Old classes that the labels hide are trained as background, as in the original.

    Rebuffi et al., CVPR 2017, name it; for segmentation, and the default, as in the code of
    Cermelli et al., CVPR 2020 ("combined"). It is presumably the row "iCaRL" of the published
    Cityscapes comparisons with VDFD.

    Args:
        weight: :math:`\lambda`.
    """

    problems = ("segmentation",)
    weight: float = not_negative(10.0)

    def task_loss(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """Binary cross-entropy of the main head; the losses of the auxiliary ones."""
        logits = adapter.at_labels(outputs.logits, samples)
        loss = binary_cross_entropy(logits, adapter.labels(samples))
        return {"decode.loss_bce": loss, **adapter.auxiliary_losses(outputs, samples)}

    def distilled(self, adapter, new: Tensor, old: Tensor) -> Tensor:
        """The distillation of the old classes' sigmoids."""
        return sigmoid_distillation(new, old)
