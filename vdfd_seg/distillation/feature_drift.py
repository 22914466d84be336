"""How features move while a step trains, from the images that it has."""

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-2
NEAR = 0.2


@dataclass(frozen=True)
class LinearDrift:
    """Where features are after a step that were at ``x`` before it: ``A (x - before) + after``.

    Attributes:
        matrix: ``A``, ``(d, d)`` float64.
        before: ``(d,)`` mean of the features before.
        after: ``(d,)`` mean of the features after.
    """

    matrix: Tensor
    before: Tensor
    after: Tensor

    def of_points(self, points: Tensor) -> Tensor:
        """Points ``(..., d)``, moved."""
        return (points - self.before) @ self.matrix.T + self.after

    def of_covariance(self, covariance: Tensor) -> Tensor:
        """A covariance ``(d, d)``, moved: ``A S A^T``."""
        return self.matrix @ covariance @ self.matrix.T


def linear_drift(
    before: Tensor, after: Tensor, ridge: float = RIDGE, weights: Tensor | None = None
) -> LinearDrift:
    r"""The affine map that takes features before a step to those after it, in float64.

    .. math::
        A = \arg\min_A \sum_x w_x \| A (h(x) - \bar h) - (h'(x) - \bar h') \|^2
            + \gamma \| A - I \|_F^2, \qquad \gamma = \mathrm{ridge} \cdot
            \frac{1}{d} \sum_x w_x \| h(x) - \bar h \|^2,

    over images that both networks have seen, with equally weighted means. In directions without
    variance features are taken to stay. A learned linear map in its place is the drift
    compensation of Gomez-Villa et al., ECCV 2024.

    Args:
        before: ``(N, d)`` features of images before the step.
        after: ``(N, d)`` of the same images after it.
        ridge: Strength of the pull towards the identity, relative to the mean variance.
        weights: w, ``(N,)``; default 1 for each.
    """
    x, y = before.double(), after.double()
    share = torch.ones_like(x[:, 0]) if weights is None else weights.double()
    share = (share / share.sum())[:, None]
    x_mean, y_mean = (share * x).sum(0), (share * y).sum(0)
    x, y = x - x_mean, y - y_mean
    weighted = (share * x).T
    gram = weighted @ x
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    # Features that do not vary leave nothing to solve for: the floor keeps them where they are.
    pull = ridge * gram.diagonal().mean().clamp_min(1e-12) * eye
    return LinearDrift(torch.linalg.solve(gram + pull, weighted @ y + pull).T, x_mean, y_mean)


def nearness(features: Tensor, points: Tensor, covariance: Tensor, near: float = NEAR) -> Tensor:
    r"""How much each image tells about the drift of points of feature space, ``(P, N)``.

    .. math::
        w_{p,x} = \exp \Big( - \frac{D_{p,x} - \min_x D_{p,x}}
            {\mathrm{near} \cdot (\bar D_p - \min_x D_{p,x})} \Big), \qquad
        D_{p,x} = (h(x) - p)^\top S^{-1} (h(x) - p),

    with :math:`\bar D_p` the mean over images; 1 for the nearest. The semantic drift compensation
    of Yu et al., CVPR 2020, weighs images by their distance in a like manner.

    Args:
        features: h, ``(N, d)`` float64.
        points: p, ``(P, d)`` float64.
        covariance: S, ``(d, d)`` float64.
        near: Width, relative to the mean distance beyond the least.
    """
    factor = torch.linalg.cholesky(covariance)
    points, features = (
        torch.linalg.solve_triangular(factor, part.T, upper=False).T for part in (points, features)
    )
    beyond = torch.cdist(points, features).square()
    beyond = beyond - beyond.amin(1, keepdim=True)
    return torch.exp(-beyond / (near * beyond.mean(1, keepdim=True)).clamp_min(1e-12))
