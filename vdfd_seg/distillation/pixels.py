"""Which pixels the mean logit of a class is taken over."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.errors import InputError

MEANS = ("all", "label", "prediction")


def counted_pixels(
    over: str, logits: Tensor, labels: Tensor | None, outputs: Sequence[int], ignore_index: int
) -> Tensor | None:
    """Which pixels count for which class.

    Args:
        over: One of ``MEANS``.
        logits: ``(N, channels, *size)``, detached.
        labels: None, or ``(N, *size')`` or ``(N, 1, *size')``; brought to the logits' resolution
            by the nearest pixel.
        outputs: The C output channels.
        ignore_index: Label that belongs to no class.

    Returns:
        ``(N, C, pixels)`` of bool; None where all pixels count for all classes.

    Raises:
        InputError: If labels are needed and missing.
    """
    if over == "all":
        return None
    if over == "prediction":
        belongs = logits.argmax(1)
    elif labels is None:
        raise InputError("a mean over labelled pixels (over='label') needs labels.")
    else:
        belongs = _at_resolution(labels.to(logits.device), logits.shape[2:])
        belongs = belongs.masked_fill(belongs == ignore_index, -1)
    classes = torch.tensor(list(outputs), device=logits.device).view(1, -1, 1)
    return belongs.reshape(len(logits), 1, -1) == classes


def _at_resolution(labels: Tensor, size: torch.Size) -> Tensor:
    if labels.ndim == len(size) + 2:
        labels = labels.squeeze(1)
    if labels.shape[1:] == size:
        return labels.long()
    return F.interpolate(labels[:, None].float(), tuple(size), mode="nearest-exact")[:, 0].long()
