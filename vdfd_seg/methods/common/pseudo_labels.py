"""Labels for what a step hides in the background: the old network's confident predictions."""

import math

import torch
from mmengine.dist import all_reduce
from mmengine.structures import PixelData
from torch import Tensor

from vdfd_seg.losses import wide
from vdfd_seg.protocols import IGNORE_INDEX, SALIENT_INDEX


def relabelled(samples: list, labels: Tensor) -> list:
    """Copies of data samples with these labels ``(N, H, W)``."""
    copies = [sample.new() for sample in samples]
    for copy, label in zip(copies, labels, strict=True):
        copy.gt_sem_seg = PixelData(data=label[None])
    return copies


def with_old_classes(labels: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Labels ``(P,)`` with confident old classes in place of background.

    Those that are 0 or ``SALIENT_INDEX`` become the class of the greatest of ``scores`` ``(P, K)``,
    the background's first, where it is an old one and at least ``threshold``.
    """
    best, old = scores.max(1)
    hidden = (labels == 0) | (labels == SALIENT_INDEX)
    return torch.where(hidden & (old > 0) & (best >= threshold), old.to(labels), labels)


def normalised_entropy(logits: Tensor) -> Tensor:
    r"""Entropy of each pixel's prediction, in [0, 1].

    .. math:: u = -\frac{1}{\log K} \sum_{c<K} q_c \log q_c, \qquad q = \mathrm{softmax}(z)

    Douillard et al., CVPR 2021, section 3.3. With a single class u is 0.

    Args:
        logits: (N, K, ...) scores.

    Returns:
        (N, ...), in float32 at least.
    """
    logits = wide(logits)
    entropy = torch.special.entr(logits.softmax(1)).sum(1)
    # Rounding must not leave [0, 1].
    return (entropy / math.log(max(logits.shape[1], 2))).clamp(0, 1)


class EntropyMedians:
    r"""The median entropy of the pixels predicted as each class, from a histogram a class.

    The median is where the histogram's cumulative count reaches half of the total, n/2, bins
    being filled evenly: in the first bin b with :math:`\sum_{i \le b} n_i \ge n/2` it is

    .. math:: \frac{1}{B} \Big( b + \frac{n/2 - \sum_{i<b} n_i}{n_b} \Big).

    It differs from the exact median (the lower one, where there are two middle values) by less
    than a bin, 1/B.

    Args:
        num_classes: K.
        bins: B, between 0 and 1.
        device: Where the counts are.
    """

    def __init__(self, num_classes: int, bins: int = 100, device="cpu"):
        self.counts = torch.zeros(num_classes, bins, dtype=torch.int64, device=device)

    def update(self, entropy: Tensor, classes: Tensor) -> None:
        """Count pixels with entropies ``(P,)`` in [0, 1] and classes ``(P,)`` in [0, K)."""
        num_classes, bins = self.counts.shape
        places = classes * bins + (entropy * bins).long().clamp(max=bins - 1)
        self.counts += places.bincount(minlength=num_classes * bins).view(num_classes, bins)

    def compute(self) -> Tensor:
        """(K,) medians over what all processes counted; 0 for a class without pixels."""
        counts = self.counts.clone()
        all_reduce(counts)
        # Exact in double precision: counts are below 2^53.
        cumulative = counts.cumsum(1).double()
        half = cumulative[:, -1:] / 2
        index = (cumulative < half).sum(1, keepdim=True)
        inside = counts.gather(1, index).double()
        before = cumulative.gather(1, index) - inside
        median = (index + (half - before) / inside.clamp(min=1)) / counts.shape[1]
        return median[:, 0].float()


def pseudo_labels(
    labels: Tensor, logits: Tensor, thresholds: Tensor, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    r"""Replace the labels of hidden pixels, and weigh each image by how many could be.

    A pixel p with a label below K, that is background, becomes

    .. math::
        \hat y_p = \begin{cases}
            c = \arg\max_k \tilde q_{p,k} & \text{if } u_p < \tau_c \\
            \text{ignore} & \text{otherwise}
        \end{cases}

    with the old network's probabilities :math:`\tilde q` and their :func:`normalised_entropy` u.
    The factor of an image is the share of these pixels that got a class,
    :math:`\nu = |\{p : y_p < K, u_p < \tau_c\}| / |\{p : y_p < K\}|`, and 0 where there is no such
    pixel. Douillard et al., CVPR 2021, section 3.3.

    Args:
        labels: (N, H, W) integers.
        logits: (N, K, H, W) scores of the old network.
        thresholds: (K,) :math:`\tau`.
        scale: Factor of u, where thresholds are in another unit.

    Returns:
        New labels (N, H, W), the factors (N,).
    """
    hidden = labels < len(thresholds)
    classes = logits.argmax(1)
    accepted = hidden & (scale * normalised_entropy(logits) < thresholds[classes])
    replaced = torch.where(accepted, classes, torch.where(hidden, IGNORE_INDEX, labels))
    total = hidden.flatten(1).sum(1)
    return replaced.to(labels.dtype), accepted.flatten(1).sum(1) / total.clamp(min=1)
