"""PLOP's distillation of pooled maps, Local POD."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from vdfd_seg.losses.half_precision import difference_of_squares, wide

SCALES = (1, 2, 4)


def local_pod(maps: Tensor, scales: Sequence[int] = SCALES) -> Tensor:
    r"""Means over the width and over the height of the cells of maps at several scales.

    At scale s a map of H x W pixels is divided into s x s cells of
    :math:`h \times w = \lfloor H/s \rfloor \times \lfloor W/s \rfloor` pixels. Cell (i, j)
    contributes, for every channel c, its h row means and its w column means,

    .. math::
        \frac{1}{w} \sum_{v<w} x_{c,\, ih+u,\, jw+v} \quad (u < h), \qquad
        \frac{1}{h} \sum_{u<h} x_{c,\, ih+u,\, jw+v} \quad (v < w).

    Douillard et al., "PLOP: Learning without Forgetting for Continual Semantic Segmentation",
    CVPR 2021, section 3.2. Rows and columns that are left over at a scale do not count there, as
    in the released code, and a scale greater than H or W is left out.

    Args:
        maps: (N, C, H, W).
        scales: Numbers of cells along each side.

    Returns:
        (N, D). The function is linear.
    """
    height, width = maps.shape[2:]
    sides = [(s, height // s, width // s) for s in scales if min(height, width) >= s]
    if not sides:
        # Nothing of the maps, but part of the graph.
        return maps.flatten(1)[:, :0]
    fitting = tuple(scale for scale, *_ in sides)
    # The means of all scales are two products, and so is their gradient; networks are laid out
    # channels last.
    pixels = maps.permute(0, 2, 3, 1)
    with torch.autocast(maps.device.type, enabled=False):
        rows = _cells(width, fitting, maps.dtype, maps.device) @ pixels
        columns = _cells(height, fitting, maps.dtype, maps.device) @ pixels.flatten(2)
    columns = columns.unflatten(2, (width, -1))
    if all((scale * h, scale * w) == (height, width) for scale, h, w in sides):
        return torch.cat([rows.flatten(1), columns.flatten(1)], 1)
    pooled, start = [], 0
    for scale, h, w in sides:
        cells = slice(start, start + scale)
        pooled += [rows[:, : scale * h, cells], columns[:, cells, : scale * w]]
        start += scale
    return torch.cat([each.flatten(1) for each in pooled], 1)


@lru_cache(maxsize=64)
def _cells(length: int, scales: tuple[int, ...], dtype: torch.dtype, device) -> Tensor:
    """One row for each cell of each scale along a side, whose product with the pixels is a mean."""
    # Later calls train with what the first one makes.
    with torch.inference_mode(False):
        cells = torch.zeros(sum(scales), length, dtype=dtype)
        numbers = ((scale, i) for scale in scales for i in range(scale))
        for row, (scale, i) in zip(cells, numbers, strict=True):
            size = length // scale
            row[i * size : (i + 1) * size] = 1 / size
        return cells.to(device)


def local_pod_distance(new: Tensor, old: Tensor, scales: Sequence[int] = SCALES) -> Tensor:
    r"""Distance of the pooled squares of two maps, a mean over images.

    .. math::
        d = \frac{1}{N} \sum_n \| \Phi(x_n^2) - \Phi(\tilde x_n^2) \|_2

    with :math:`\Phi` of :func:`local_pod`, in float32 at least. The gradient is zero, not NaN,
    where the maps are equal.

    Args:
        new: (N, C, H, W) of the network that trains.
        old: The same of the network of the step before.
        scales: Those of :func:`local_pod`.
    """
    pooled = local_pod(difference_of_squares(new, old), scales)
    # vector_norm has the subgradient 0 at 0, where the root of a sum has 0 / 0.
    return torch.linalg.vector_norm(pooled, dim=1).mean()


def merge_new_classes(logits: Tensor, num_old: int, background: bool = True) -> Tensor:
    """Logits with as many channels as the old network's, in float32 at least.

    Args:
        logits: (N, C, h, w) of the network that trains, C at least ``num_old``.
        num_old: K, number of channels of the old network and of the result.
        background: Add the new classes' logits to the background's, which is what the old
            network called them (PLOP's code); False leaves them out.
    """
    logits = wide(logits)
    if logits.shape[1] == num_old or not background:
        return logits[:, :num_old]
    first = logits[:, :1] + logits[:, num_old:].sum(1, keepdim=True)
    return torch.cat([first, logits[:, 1:num_old]], 1)


def local_pod_loss(
    new: Sequence[Tensor],
    old: Sequence[Tensor],
    weights: Sequence[float],
    scales: Sequence[int] = SCALES,
) -> Tensor:
    r"""Weighted mean over layers of :func:`local_pod_distance`.

    .. math:: \ell = \frac{1}{L} \sum_l \lambda_l \, d_l

    Args:
        new: L maps of the network that trains.
        old: The same of the network of the step before.
        weights: :math:`\lambda_l`.
        scales: Those of :func:`local_pod`.
    """
    layers = zip(new, old, weights, strict=True)
    distances = [w * local_pod_distance(x, y, scales) for x, y, w in layers]
    return sum(distances[1:], start=distances[0]) / len(new)
