"""Classes as Gaussians in feature space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vdfd_seg.distillation.feature_drift import RIDGE, linear_drift, nearness


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

        Args:
            features: ``(N, d)``.
            labels: ``(N,)``.
            classes: Labels of the task's classes, in the order wanted. One without images has the
                mean of all images.
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

    def moved(self, before: Tensor, after: Tensor, ridge: float = RIDGE) -> "ClassGaussians":
        r"""The same classes after a step in which the features drifted.

        Means move by the linear map of the images that were near them, the covariance by the map
        of all: :math:`\mu_c \leftarrow A_c (\mu_c - \bar h_c) + \bar h'_c`,
        :math:`\Sigma \leftarrow A \Sigma A^\top`, see :func:`nearness` and, of the same arguments,
        :func:`linear_drift`.
        """
        before, after = before.double(), after.double()
        weights = nearness(before, self.means, self.shrunk_covariance())
        means = [
            linear_drift(before, after, ridge, own).of_points(mean)
            for mean, own in zip(self.means, weights, strict=True)
        ]
        covariance = linear_drift(before, after, ridge).of_covariance(self.covariance)
        return ClassGaussians(torch.stack(means), covariance, self.tasks)

    def joined(self, newer: "ClassGaussians") -> "ClassGaussians":
        """With the classes of a newer task after these."""
        tasks = self.tasks + newer.tasks
        total = self.tasks * self.covariance + newer.tasks * newer.covariance
        return ClassGaussians(torch.cat([self.means, newer.means]), total / tasks, tasks)

    def shrunk_covariance(self, shrinkage: float = 1.0) -> Tensor:
        r"""The covariance, widened where it is narrow: :math:`S = \Sigma + s \,
        \frac{\mathrm{tr} \Sigma}{d} I`, ``(d, d)``, with s the ``shrinkage``."""
        level = (self.covariance.diagonal().mean() * shrinkage).clamp_min(1e-12)
        eye = torch.eye(len(self.covariance), dtype=level.dtype, device=level.device)
        return self.covariance + level * eye

    def discriminant(self, shrinkage: float = 1.0) -> tuple[Tensor, Tensor]:
        r"""The linear discriminant: rows ``(C, d)`` and offsets ``(C,)``.

        .. math::
            \log N(h; \mu_c, S) = \mu_c^\top S^{-1} h - \tfrac{1}{2} \mu_c^\top S^{-1} \mu_c
            + \text{what all classes share},

        with S of :meth:`shrunk_covariance`.
        """
        rows = torch.linalg.solve(self.shrunk_covariance(shrinkage), self.means.T).T
        return rows, -0.5 * (rows * self.means).sum(1)
