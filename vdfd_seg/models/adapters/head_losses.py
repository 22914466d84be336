"""A decode head's losses without waiting for the device, also with a weight for each image."""

from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.utils import resize
from torch import Tensor, nn

from vdfd_seg.losses import UnbiasedCrossEntropyLoss, wide


def head_losses(
    head: BaseDecodeHead, logits: Tensor, samples: list, weights: Tensor | None = None
) -> dict[str, Tensor]:
    r"""``head.loss_by_feat``, with MMSegmentation's own version replaced.

    That version selects the labelled pixels for ``acc_seg``, so the processor waits in every
    iteration until their number is known. The values are the same.

    With weights :math:`\nu` it is the mean over images of what each has alone, its losses times its
    weight, :math:`\frac{1}{N} \sum_n \nu_n \, \ell(x_n, y_n)`. Cross-entropies are computed for all
    images together, which spares a GPU a round of operations an image; other losses image by image.

    Args:
        head: The head.
        logits: (N, C, h, w).
        samples: N.
        weights: (N,); None for the loss of the batch.
    """
    if weights is not None:
        return _weighted(head, logits, samples, weights)
    if not _is_base(head):
        return head.loss_by_feat(logits, samples)
    logits, labels = _at_labels(head, logits, samples)
    losses: dict[str, Tensor] = {}
    for loss in _terms(head):
        value = loss(logits, labels, weight=None, ignore_index=head.ignore_index)
        name = str(loss.loss_name)
        losses[name] = losses[name] + value if name in losses else value
    losses["acc_seg"] = pixel_accuracy(logits[None], labels[None], head.ignore_index)
    return losses


def _weighted(
    head: BaseDecodeHead, logits: Tensor, samples: list, weights: Tensor
) -> dict[str, Tensor]:
    if not _is_base(head) or not all(map(_is_cross_entropy, _terms(head))):
        images = [head_losses(head, logits[i : i + 1], [one]) for i, one in enumerate(samples)]
        each = {name: torch.stack([image[name] for image in images]) for name in images[0]}
        return {
            name: (weights * values if "loss" in name else values).mean(0)
            for name, values in each.items()
        }
    logits, labels = _at_labels(head, logits, samples)
    ignored = head.ignore_index
    pixels = F.cross_entropy(wide(logits), labels, ignore_index=ignored, reduction="none")
    totals = weights * pixels.flatten(1).sum(1)
    losses: dict[str, Tensor] = {}
    for loss in _terms(head):
        mean = totals / labels[0].numel()
        if loss.avg_non_ignore:
            mean = totals / (labels != ignored).flatten(1).sum(1).clamp(min=1)
        value, name = loss.loss_weight * mean.mean(), str(loss.loss_name)
        losses[name] = losses[name] + value if name in losses else value
    losses["acc_seg"] = pixel_accuracy(logits[:, None], labels[:, None], ignored)
    return losses


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Percentage of the labelled pixels that are predicted correctly.

    Args:
        logits: (G, N, C, H, W), N images in each of G groups.
        labels: (G, N, H, W).
        ignore_index: Label of pixels that do not count.

    Returns:
        (1,), the mean over the groups.
    """
    eps = torch.finfo(torch.float32).eps
    labelled = labels != ignore_index
    right = ((logits.argmax(2) == labels) & labelled).flatten(1).sum(1, dtype=torch.float32)
    shares = (right + eps) / (labelled.flatten(1).sum(1) + eps)
    return 100 * shares.mean(0, keepdim=True)


def _is_base(head: BaseDecodeHead) -> bool:
    return type(head).loss_by_feat is BaseDecodeHead.loss_by_feat and head.sampler is None


def _terms(head: BaseDecodeHead) -> list[Any]:
    decode = head.loss_decode
    return list(decode) if isinstance(decode, nn.ModuleList) else [decode]


def _is_cross_entropy(loss: nn.Module) -> bool:
    """Whether a loss is the plain cross-entropy of all pixels."""
    if isinstance(loss, UnbiasedCrossEntropyLoss):
        return loss.num_hidden <= 1
    return (
        type(loss) is CrossEntropyLoss
        and not (loss.use_sigmoid or loss.use_mask)
        and loss.class_weight is None
        and loss.reduction == "mean"
    )


def _at_labels(head: BaseDecodeHead, logits: Tensor, samples: list) -> tuple[Tensor, Tensor]:
    """Logits at the resolution of the labels, and these ``(N, H, W)``."""
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples]).squeeze(1)
    size = labels.shape[1:]
    return resize(logits, size, mode="bilinear", align_corners=head.align_corners), labels
