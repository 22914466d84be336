"""A decode head's losses without waiting for the device."""

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn


def head_losses(head: BaseDecodeHead, logits: Tensor, samples: list) -> dict[str, Tensor]:
    """``head.loss_by_feat``, with MMSegmentation's own version replaced.

    That version selects the labelled pixels for ``acc_seg``, so the processor waits in every
    iteration until their number is known. The values are the same.
    """
    if type(head).loss_by_feat is not BaseDecodeHead.loss_by_feat or head.sampler is not None:
        return head.loss_by_feat(logits, samples)
    labels = torch.stack([sample.gt_sem_seg.data for sample in samples]).squeeze(1)
    logits = resize(logits, labels.shape[1:], mode="bilinear", align_corners=head.align_corners)
    losses: dict[str, Tensor] = {}
    decode = head.loss_decode
    for loss in decode if isinstance(decode, nn.ModuleList) else [decode]:
        value = loss(logits, labels, weight=None, ignore_index=head.ignore_index)
        name = str(loss.loss_name)
        losses[name] = losses[name] + value if name in losses else value
    losses["acc_seg"] = pixel_accuracy(logits, labels, head.ignore_index)
    return losses


@torch.no_grad()
def pixel_accuracy(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Percentage ``(1,)`` of the labelled pixels that are predicted correctly."""
    eps = torch.finfo(torch.float32).eps
    labelled = labels != ignore_index
    right = ((logits.argmax(1) == labels) & labelled).sum(dtype=torch.float32) + eps
    return (100 * right / (labelled.sum() + eps)).reshape(1)
