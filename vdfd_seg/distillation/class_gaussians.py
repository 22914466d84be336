"""Classes as Gaussians in feature space, and how they move when the features drift."""

from dataclasses import dataclass

import torch
from torch import Tensor

RIDGE = 1e-2


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
        """Points ``(N, d)``, moved."""
        return (points - self.before) @ self.matrix.T + self.after

    def of_covariance(self, covariance: Tensor) -> Tensor:
        """A covariance ``(d, d)``, moved: ``A S A^T``."""
        return self.matrix @ covariance @ self.matrix.T


def linear_drift(before: Tensor, after: Tensor, ridge: float = RIDGE) -> LinearDrift:
    r"""The affine map that takes features before a step to those after it.

    .. math::
        A = \arg\min_A \sum_x \| A (h(x) - \bar h) - (h'(x) - \bar h') \|^2
            + \gamma \| A - I \|_F^2, \qquad \gamma = \mathrm{ridge} \cdot
            \frac{1}{d} \sum_x \| h(x) - \bar h \|^2,

    over the images of the new task, which both networks have seen; where these say nothing of a
    direction, features are taken to stay. A learned linear map in its place is the drift
    compensation of Gomez-Villa et al., ECCV 2024.

    Args:
        before: ``(N, d)`` features of images before the step.
        after: ``(N, d)`` of the same images after it.
        ridge: Strength of the pull towards the identity, relative to the mean variance.

    Returns:
        The map, in float64.
    """
    x, y = before.double(), after.double()
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    gram = x.T @ x
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    # Features that do not vary leave nothing to solve for: the floor keeps them where they are.
    pull = ridge * gram.diagonal().mean().clamp_min(1e-12) * eye
    return LinearDrift(torch.linalg.solve(gram + pull, x.T @ y + pull).T, x_mean, y_mean)


@dataclass(frozen=True)
class ClassGaussians:
    r"""A Gaussian for each class, :math:`N(\mu_c, \Sigma)`, all with one covariance.

    Attributes:
        means: :math:`\mu`, ``(C, d)`` float64.
        covariance: :math:`\Sigma`, ``(d, d)`` float64, the mean of what each task found.
        tasks: How many tasks it is the mean of.
    """

    means: Tensor
    covariance: Tensor
    tasks: int = 1

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, classes) -> "ClassGaussians":
        """Means of the classes, and the mean over classes of their own covariances.

        A class without images has the mean of all images.

        Args:
            features: ``(N, d)``.
            labels: ``(N,)``.
            classes: Labels of the task's classes, in the order wanted.
        """
        features = features.double()
        means, covariances = [], []
        for label in classes:
            own = features[labels == label]
            if len(own):
                means.append(own.mean(0))
                centred = own - means[-1]
                covariances.append(centred.T @ centred / len(own))
            else:
                means.append(features.mean(0))
        return cls(torch.stack(means), torch.stack(covariances).mean(0))

    def moved(self, drift: LinearDrift) -> "ClassGaussians":
        """The same classes after a step in which the features drifted."""
        covariance = drift.of_covariance(self.covariance)
        return ClassGaussians(drift.of_points(self.means), covariance, self.tasks)

    def joined(self, newer: "ClassGaussians") -> "ClassGaussians":
        """With the classes of a newer task behind these."""
        tasks = self.tasks + newer.tasks
        total = self.tasks * self.covariance + newer.tasks * newer.covariance
        return ClassGaussians(torch.cat([self.means, newer.means]), total / tasks, tasks)

    def discriminant(self, shrinkage: float = 1.0) -> tuple[Tensor, Tensor]:
        r"""The linear discriminant: rows ``(C, d)`` and offsets ``(C,)``.

        .. math::
            \log N(h; \mu_c, S) = \mu_c^\top S^{-1} h - \tfrac{1}{2} \mu_c^\top S^{-1} \mu_c
            + \text{what all classes share}, \qquad
            S = \Sigma + s \, \frac{\mathrm{tr} \Sigma}{d} I.

        Args:
            shrinkage: s.
        """
        size = len(self.covariance)
        eye = torch.eye(size, dtype=self.covariance.dtype, device=self.covariance.device)
        level = (self.covariance.diagonal().mean() * shrinkage).clamp_min(1e-12)
        rows = torch.linalg.solve(self.covariance + level * eye, self.means.T).T
        return rows, -0.5 * (rows * self.means).sum(1)
