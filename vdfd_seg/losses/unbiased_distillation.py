"""MiB's unbiased distillation."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from vdfd_seg.losses.half_precision import wide


def new_classes_as_background(logits: Tensor, num_old: int) -> Tensor:
    r"""Logits of the old classes, with the new classes counted as background.

    :math:`r_0 = \log(e^{z_0} + \sum_{c \ge K} e^{z_c})`, :math:`r_c = z_c` for
    :math:`1 \le c < K`. The softmax over these K is that over all classes, with the share of the
    new ones added to the background's.

    Args:
        logits: ``(N, C, ...)``, C >= K; or logarithms of probabilities.
        num_old: K; the result is ``(N, K, ...)``.
    """
    old = logits[:, :num_old]
    if logits.shape[1] == num_old:
        return old
    background = torch.cat([logits[:, :1], logits[:, num_old:]], dim=1)
    return torch.cat([background.logsumexp(1, keepdim=True), old[:, 1:]], dim=1)


def unbiased_distillation(new: Tensor, old: Tensor, alpha: float = 1.0) -> Tensor:
    r"""Distillation for which a new class is what the old network called background.

    With :math:`q = \mathrm{softmax}(z)` over all classes of the network that trains and
    :math:`\tilde q = \mathrm{softmax}(\alpha \tilde z)` over the :math:`K` classes of the old one
    (0 is the background),

    .. math::
        \ell = -\frac{1}{K\,|P|} \sum_p \sum_{c<K} \tilde q_{p,c} \log r_{p,c}, \qquad
        r_0 = q_0 + \sum_{c \ge K} q_c, \quad r_c = q_c \; (1 \le c < K),

    over all pixels p, whatever their labels. Without new classes it is the plain distillation
    :func:`~vdfd_seg.losses.distillation_loss` with ``average_classes``. Its least value, the
    mean entropy of :math:`\tilde q` divided by K, is where :math:`r = \tilde q`. Equation 8 of
    Cermelli et al., "Modeling the Background for Incremental Learning in Semantic Segmentation",
    CVPR 2020; division by K and :math:`\alpha` as in its code.

    Args:
        new: ``(N, C, ...)`` logits, C >= K.
        old: ``(N, K, ...)`` logits of the old network.
        alpha: Above 1 it hardens the old network's distribution.
    """
    return _Mean.apply(new, F.softmax(alpha * wide(old), dim=1))


class _Mean(torch.autograd.Function):
    r"""The loss, in memory for one map of all classes next to the logits and the target.

    Autograd would keep the map of logarithms, copies of it, and their product. The gradient of a
    pixel is :math:`q_c - \tilde q_c` for :math:`1 \le c < K`, and
    :math:`q_c - \tilde q_0 \, q_c / r_0` for the background and new classes.
    """

    @staticmethod
    def forward(ctx, new: Tensor, target: Tensor):
        num_old = target.shape[1]
        log_r = F.log_softmax(wide(new), dim=1)
        if new.shape[1] > num_old:
            added = torch.logsumexp(log_r[:, num_old:], dim=1)
            log_r[:, 0] = torch.logaddexp(log_r[:, 0], added)
        ctx.save_for_backward(new, target)
        ctx.scale = -1 / max(target.numel(), 1)
        return ctx.scale * log_r[:, :num_old].mul_(target).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx, by_mean: Tensor):
        new, target = ctx.saved_tensors
        num_old = target.shape[1]
        with torch.autocast(new.device.type, enabled=False):
            scores = wide(new)
            gradient = scores.softmax(1)
            if new.shape[1] > num_old:
                first, added = scores[:, :1], scores[:, num_old:]
                whole = torch.logaddexp(first, added.logsumexp(1, keepdim=True))
                gradient[:, num_old:] -= (added - whole).exp_().mul_(target[:, :1])
                gradient[:, :1] -= (first - whole).exp_().mul_(target[:, :1])
                gradient[:, 1:num_old] -= target[:, 1:]
            else:
                gradient -= target
            gradient *= -ctx.scale * by_mean
        return gradient.to(new.dtype), None
