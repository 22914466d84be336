"""MiB's unbiased distillation."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unbiased_distillation(new: Tensor, old: Tensor, alpha: float = 1.0) -> Tensor:
    r"""Distillation for which a new class is what the old network called background.

    With :math:`q = \mathrm{softmax}(z)` over all classes of the network that trains and
    :math:`\tilde q = \mathrm{softmax}(\alpha \tilde z)` over the :math:`K` classes of the old one
    (0 is the background),

    .. math::
        \ell = -\frac{1}{K\,|P|} \sum_p \sum_{c<K} \tilde q_{p,c} \log r_{p,c}, \qquad
        r_0 = q_0 + \sum_{c \ge K} q_c, \quad r_c = q_c \; (1 \le c < K),

    over all pixels p, whatever their labels. Without new classes it is the plain distillation
    :func:`vdfd_seg.methods.lwf.distillation_loss` with ``average_classes``. Its least value, the
    mean entropy of :math:`\tilde q` divided by K, is where :math:`r = \tilde q`. Equation 8 of
    Cermelli et al., "Modeling the Background for Incremental Learning in Semantic Segmentation",
    CVPR 2020; division by K and :math:`\alpha` as in its code.

    Args:
        new: ``(N, C, ...)`` logits, C >= K.
        old: ``(N, K, ...)`` logits of the old network.
        alpha: Above 1 it hardens the old network's distribution.

    Returns:
        Scalar.
    """
    num_old = old.shape[1]
    log_q = F.log_softmax(new if new.dtype == torch.float64 else new.float(), dim=1)
    log_r = log_q[:, :num_old]
    if new.shape[1] > num_old:
        background = torch.cat([log_q[:, :1], log_q[:, num_old:]], dim=1)
        log_r = torch.cat([background.logsumexp(1, keepdim=True), log_r[:, 1:]], dim=1)
    target = F.softmax(alpha * (old if old.dtype == torch.float64 else old.float()), dim=1)
    return -(target * log_r).sum(1).mean() / num_old
