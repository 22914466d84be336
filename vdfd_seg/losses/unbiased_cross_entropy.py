"""MiB's unbiased cross-entropy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vdfd_seg.losses.half_precision import wide
from vdfd_seg.registry import MODELS


def unbiased_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    num_hidden: int,
    ignore_index: int = 255,
    avg_non_ignore: bool = True,
) -> Tensor:
    r"""Cross-entropy whose background may be any old class.

    With softmax probabilities :math:`q` and :math:`K` hidden classes (the
    background among them),

    .. math::
        \ell = -\frac{1}{|\{p : y_p \ne \text{ignore}\}|} \sum_p \log \tilde q_{y_p}, \qquad
        \tilde q_0 = \sum_{c<K} q_c, \quad \tilde q_c = q_c \; (c \ge K),

    labels below :math:`K` counting as background. For :math:`K \le 1` it is the
    plain cross-entropy. Equation 5 of Cermelli et al., "Modeling the Background
    for Incremental Learning in Semantic Segmentation", CVPR 2020.

    Args:
        logits: (N, C, ...) scores.
        labels: (N, ...) integers in [0, C) or ``ignore_index``.
        num_hidden: K, the number of old classes, the background included.
        ignore_index: Label of pixels that do not count.
        avg_non_ignore: Mean over the pixels that count; False: over all, with 0 at those that
            do not, as in the code of PLOP and RCIL.

    Returns:
        Scalar mean; 0 when no pixel counts.
    """
    if num_hidden > 1:
        labels = labels.masked_fill(labels < num_hidden, 0)
        total = _Sum.apply(logits, labels, num_hidden, ignore_index)
    else:
        total = F.cross_entropy(wide(logits), labels, ignore_index=ignore_index, reduction="sum")
    if not avg_non_ignore:
        return total / labels.numel()
    return total / (labels != ignore_index).sum().clamp(min=1)


class _Sum(torch.autograd.Function):
    r"""The sum over pixels, in memory for one map of all classes next to the logits.

    Autograd would keep the map of logarithms and copy it for the background. The gradient of a
    pixel is :math:`q_c - [c = y]`, and of one in the background
    :math:`q_c - [c < K] \, q_c / \sum_{k<K} q_k`.
    """

    @staticmethod
    def forward(ctx, logits, labels, num_hidden: int, ignore_index: int):
        ctx.save_for_backward(logits, labels)
        ctx.num_hidden, ctx.ignore_index = num_hidden, ignore_index
        log_q = F.log_softmax(wide(logits), dim=1)
        log_q[:, 0] = torch.logsumexp(log_q[:, :num_hidden], dim=1)
        return F.nll_loss(log_q, labels, ignore_index=ignore_index, reduction="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx, by_sum):
        logits, labels = ctx.saved_tensors
        old = slice(0, ctx.num_hidden)
        with torch.autocast(logits.device.type, enabled=False):
            scores = wide(logits)
            gradient = scores.softmax(1)
            labels = labels.unsqueeze(1)
            background, counted = labels == 0, labels != ctx.ignore_index
            gradient[:, old] -= scores[:, old].softmax(1).mul_(background)
            # Of the background, and of pixels that do not count, nothing at class 0.
            named = labels * counted
            gradient.scatter_add_(1, named, -(named > 0).to(gradient.dtype))
            gradient *= counted * by_sum
        return gradient.to(logits.dtype), None, None, None


class TaskAwareLoss(nn.Module):
    """A loss of a segmentation head that depends on the step.

    Attributes:
        num_hidden: How many of the first labels are old classes that the current labels hide in
            the background; 0 when nothing is hidden (the first step, domain-incremental learning,
            joint training). Set when a step starts.
    """

    def __init__(self):
        super().__init__()
        self.num_hidden = 0


@MODELS.register_module()
class UnbiasedCrossEntropyLoss(TaskAwareLoss):
    """:func:`unbiased_cross_entropy` as ``loss_decode`` of an mmsegmentation head.

    Args:
        loss_weight: Factor.
        loss_name: Name in the logs; a ``loss_`` prefix puts it into the sum.
        avg_non_ignore: As there.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
        avg_non_ignore: bool = True,
    ):
        super().__init__()
        self.avg_non_ignore = avg_non_ignore
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, cls_score, label, weight=None, ignore_index=255, **_) -> Tensor:
        """Called by ``BaseDecodeHead.loss_by_feat``; pixel weights are not supported."""
        if weight is not None:
            raise ValueError("UnbiasedCrossEntropyLoss does not take pixel weights (a sampler).")
        loss = unbiased_cross_entropy(
            cls_score, label, self.num_hidden, ignore_index, self.avg_non_ignore
        )
        return self.loss_weight * loss
