"""RCIL's pooled cube knowledge distillation (PCKD)."""

from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses.half_precision import difference_of_squares

POOL_SIZES = (4, 8, 12, 16, 20, 24)
CHANNELS = 3


def spatial_cube_distance(
    new: Tensor, old: Tensor, pool_sizes: Sequence[int] = POOL_SIZES
) -> Tensor:
    r"""Distance of the squares of two maps, averaged over windows of several sizes.

    .. math::
        d = \frac{1}{|S| N} \sum_{s \in S} \sum_n \| A_s(x_n^2) - A_s(\tilde x_n^2) \|_F

    with :math:`A_s` the mean over windows of s x s pixels at stride 1, for every channel on its
    own. Zhang et al., "Representation Compensation Networks for Continual Semantic Segmentation",
    CVPR 2022, section 3.3. As in the released code a map is surrounded by :math:`\lfloor s/2
    \rfloor` zeros, which count in the mean of a window; so a size may exceed the map. Computed in
    float32 at least.

    The gradient is zero, not NaN, where the maps are equal.

    Args:
        new: (N, C, H, W) of the network that trains.
        old: The same of the network of the step before.
        pool_sizes: S, the sides of the windows.
    """
    difference = difference_of_squares(new, old)
    norms = [_norm(_window_means(difference, size)) for size in pool_sizes]
    return sum(norms[1:], start=norms[0]) / len(norms)


def channel_cube_distance(new: Tensor, old: Tensor, channels: int = CHANNELS) -> Tensor:
    r"""Distance of the squares of two maps, averaged over neighbouring channels.

    .. math:: d = \frac{1}{N} \sum_n \| A(x_n^2) - A(\tilde x_n^2) \|_F

    with A the mean over windows of ``channels`` channels at stride 1, for every pixel on its own,
    otherwise as in :func:`spatial_cube_distance`.

    Args:
        new: (N, C, H, W) of the network that trains.
        old: The same of the network of the step before.
        channels: Channels of a window.
    """
    # As an image of C rows and H W columns.
    difference = difference_of_squares(new, old).flatten(2)[:, None]
    return _norm(F.avg_pool2d(difference, (channels, 1), 1, (channels // 2, 0)))


def pooled_cube_loss(
    new: Sequence[Tensor],
    old: Sequence[Tensor],
    spatial: Sequence[float],
    channel: Sequence[float],
    pool_sizes: Sequence[int] = POOL_SIZES,
    channels: int = CHANNELS,
) -> tuple[Tensor, Tensor]:
    r"""The two weighted means over layers.

    .. math::
        \ell_s = \frac{1}{L} \sum_{l \le L} \lambda_l \, d^{\,spatial}_l, \qquad
        \ell_c = \frac{1}{L'} \sum_{l \le L'} \mu_l \, d^{\,channel}_l

    Layers whose weight is zero are not computed, but count in L.

    Args:
        new: L maps of the network that trains.
        old: The same of the network of the step before.
        spatial: :math:`\lambda_l`, one a map.
        channel: :math:`\mu_l` of the first L' maps (RCIL: all but the logits).
        pool_sizes: Those of :func:`spatial_cube_distance`.
        channels: That of :func:`channel_cube_distance`.
    """
    zero = new[0].new_zeros((), dtype=torch.float32)
    losses = []
    for weights, distance in (
        (spatial, partial(spatial_cube_distance, pool_sizes=pool_sizes)),
        (channel, partial(channel_cube_distance, channels=channels)),
    ):
        layers = zip(new, old, weights, strict=False)
        total = sum((w * distance(x, y) for x, y, w in layers if w), start=zero)
        losses.append(total / max(len(weights), 1))
    return losses[0], losses[1]


def _window_means(maps: Tensor, size: int) -> Tensor:
    """Along one side and then along the other: the same mean with 2 s terms instead of s^2."""
    rows = F.avg_pool2d(maps, (size, 1), 1, (size // 2, 0))
    return F.avg_pool2d(rows, (1, size), 1, (0, size // 2))


def _norm(maps: Tensor) -> Tensor:
    # vector_norm has the subgradient 0 at 0, where the root of a sum has 0 / 0.
    return torch.linalg.vector_norm(maps.flatten(1), dim=1).mean()
