"""Distillation of the old network's outputs: of its softmax, or of its sigmoids."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses.half_precision import wide


def distillation_loss(
    new: Tensor, old: Tensor, temperature: float = 1.0, average_classes: bool = False
) -> Tensor:
    r"""Cross-entropy of the new network's old classes under the old network's.

    .. math::
        \ell = -\frac{1}{|P|} \sum_p \sum_{c<K} \tilde q_{p,c} \log q_{p,c}, \qquad
        q_p = \mathrm{softmax}(z_p / T), \quad \tilde q_p = \mathrm{softmax}(\tilde z_p / T),

    over positions p (images, or pixels) and K old classes. Li and Hoiem, "Learning without
    Forgetting", TPAMI 2018, equation 2.

    Args:
        new: ``(N, K, ...)`` logits of the network that trains.
        old: The same of the network of the step before.
        temperature: T; both distributions are softened.
        average_classes: Divide by K, as the code of MiB does.
    """
    log_q = F.log_softmax(wide(new) / temperature, dim=1)
    target = F.softmax(wide(old) / temperature, dim=1)
    loss = -(target * log_q).sum(1).mean()
    return loss / new.shape[1] if average_classes else loss


def distillation_over_groups(
    new: Tensor,
    old: Tensor,
    sizes: Sequence[int],
    temperature: float = 1.0,
    average_classes: bool = False,
) -> Tensor:
    """The sum of :func:`distillation_loss` over groups of so many classes, which compete."""
    groups = zip(new.split(sizes, 1), old.split(sizes, 1), strict=True)
    terms = [distillation_loss(*logits, temperature, average_classes) for logits in groups]
    return sum(terms[1:], start=terms[0])


def sigmoid_distillation(new: Tensor, old: Tensor) -> Tensor:
    r"""Sum over old classes of the binary cross-entropies under the old network's sigmoids.

    :math:`\frac{1}{|P|} \sum_p \sum_{c<K} \mathrm{BCE}(\sigma(z_{p,c}), \sigma(\tilde z_{p,c}))`
    over positions p (images, or pixels); Rebuffi et al., CVPR 2017.

    Args:
        new: ``(N, K or more, ...)`` logits of the network that trains, the old classes first.
        old: ``(N, K, ...)`` the same of the network of the step before.
    """
    new, old = wide(new[:, : old.shape[1]]), wide(old)
    loss = F.binary_cross_entropy_with_logits(new, old.sigmoid(), reduction="none")
    return loss.sum(1).mean()
