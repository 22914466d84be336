"""Learning without forgetting, with one binary classifier a class."""

from torch import Tensor

from vdfd_seg.losses import sigmoid_cross_entropy, sigmoid_distillation
from vdfd_seg.methods.common.options import not_negative
from vdfd_seg.methods.common.teacher import LogitsDistillation
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class LwFMC(LogitsDistillation):
    r"""LwF-MC, "multi-class": iCaRL's training loss without its exemplars.

    .. math::
        L = \frac{1}{|P|} \sum_{p : y_p \ne \text{ignore}} \ell_p + \lambda \frac{1}{|P|}
        \sum_p \sum_{c<K} \mathrm{BCE}\big(\sigma(z_{p,c}), \sigma(\tilde z_{p,c})\big)

    with the :func:`~vdfd_seg.losses.sigmoid_cross_entropy` :math:`\ell` over all classes, from the
    first step on, in place of the main head's loss, and :math:`\tilde z` the logits of the network
    of the step before, at all pixels. Old classes that the labels hide are trained as background,
    as in the original.

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
        labels = adapter.labels(samples)
        loss = sigmoid_cross_entropy(logits, labels).masked_fill(labels == IGNORE_INDEX, 0).mean()
        return {"decode.loss_bce": loss, **adapter.auxiliary_losses(outputs, samples)}

    def distilled(self, new: Tensor, old: Tensor) -> Tensor:
        """The distillation of the old classes' sigmoids."""
        return sigmoid_distillation(new, old)
