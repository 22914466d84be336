"""The cross-entropy of classes that have a sigmoid each."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses.half_precision import wide


def sigmoid_cross_entropy(
    logits: Tensor, labels: Tensor, first: int = 0, pos_weight: float = 1.0
) -> Tensor:
    r"""Sum over classes of the binary cross-entropies of each pixel.

    .. math::
        \ell_p = -\sum_{c \ge K} \big( \beta\, [y_p = c] \log \sigma(z_{p,c})
        + [y_p \ne c] \log(1 - \sigma(z_{p,c})) \big)

    Args:
        logits: ``(N, C - K, H, W)`` scores of the classes from K on.
        labels: ``(N, H, W)`` integers. Others than these classes, and ignored pixels, are no
            examples of any.
        first: K; 0 for all classes.
        pos_weight: :math:`\beta`.

    Returns:
        ``(N, H, W)``, in float32 at least.
    """
    logits = wide(logits)
    classes = torch.arange(first, first + logits.shape[1], device=labels.device)
    target = (labels[:, None] == classes[:, None, None]).to(logits)
    weight = logits.new_tensor(pos_weight)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none", pos_weight=weight)
    return loss.sum(1)
