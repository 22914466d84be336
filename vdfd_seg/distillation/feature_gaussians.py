"""Old classes as Gaussians of their features, from which they are replayed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class FeatureGaussians:
    r"""One Gaussian :math:`N(\mu_c, \Sigma_c)` a class, each with a covariance of its own.

    They replace the images of old tasks while a classifier learns new classes on fixed features:
    draws of them, labelled with their class, are replayed. Nothing of an image is kept.

    Attributes:
        labels: ``(G,)`` int64, the class of each Gaussian; a class may have several.
        counts: ``(G,)`` float64, how many features each was found from.
        means: :math:`\mu`, ``(G, d)`` float32.
        covariances: :math:`\Sigma`, ``(G, d, d)`` float32.

    Example:
        >>> import torch
        >>> features, labels = torch.randn(100, 4), torch.arange(100) % 2
        >>> gaussians = FeatureGaussians.of([(features, labels)], [0, 1])
        >>> drawn, classes = gaussians.draw(8)
        >>> drawn.shape, classes.tolist()
        (torch.Size([8, 4]), [0, 0, 0, 0, 1, 1, 1, 1])
    """

    labels: Tensor
    counts: Tensor
    means: Tensor
    covariances: Tensor

    @classmethod
    def of(
        cls, batches: Iterable[tuple[Tensor, Tensor]], classes: Sequence[int]
    ) -> "FeatureGaussians":
        """Mean and covariance of each class's features; a class without any has no Gaussian.

        With several processes of :mod:`torch.distributed`, of what all of them give.

        Args:
            batches: Features ``(P, d)`` of images or of pixels, and their labels ``(P,)``.
            classes: The labels that are wanted.
        """
        sums = None
        for features, labels in batches:
            x = F.pad(features.double(), (0, 1), value=1.0)
            if sums is None:
                sums = x.new_zeros(len(classes), x.shape[1], x.shape[1])
            for total, label in zip(sums, classes, strict=True):
                own = x[labels == label]
                total += own.T @ own
        if sums is None:
            raise ValueError("there are no features to find Gaussians of.")
        if dist.is_initialized():
            dist.all_reduce(sums)
        # The last row of a class's sum of x x^T, x with a one after it: its sum of x, and count.
        counts = sums[:, -1, -1]
        found = counts > 0
        means = sums[found, -1, :-1] / counts[found, None]
        seconds = sums[found, :-1, :-1] / counts[found, None, None]
        covariances = seconds - means[:, :, None] * means[:, None, :]
        labels = torch.tensor(classes, dtype=torch.int64)[found.cpu()]
        return cls(labels, counts[found].cpu(), means.float().cpu(), covariances.float().cpu())

    def joined(self, newer: "FeatureGaussians", share: float | None = None) -> "FeatureGaussians":
        r"""With the Gaussians of a newer task after these.

        A label that both have keeps one Gaussian where ``share`` is given, with its count of old:

        .. math::
            \mu = (1 - r) \mu_a + r \mu_b, \qquad
            \Sigma = (1 - r) \Sigma_a + r \Sigma_b + r (1 - r) (\mu_a - \mu_b)(\mu_a - \mu_b)^\top

        the mean and the covariance of draws of which a share r is from the newer.

        Args:
            newer: The others; if ``share`` is given, one a label.
            share: r; None for Gaussians side by side.
        """
        own, other = self.to_state(), newer.to_state()
        known = torch.isin(newer.labels, self.labels if share is not None else self.labels[:0])
        new = FeatureGaussians(**{key: torch.cat([own[key], other[key][~known]]) for key in own})
        for j in known.nonzero().flatten().tolist():
            i = int((self.labels == newer.labels[j]).nonzero()[0])
            apart = self.means[i] - newer.means[j]
            assert share is not None
            new.means[i] -= share * apart
            new.covariances[i].lerp_(newer.covariances[j], share)
            new.covariances[i] += share * (1 - share) * torch.outer(apart, apart)
        return new

    def to_state(self) -> dict[str, Tensor]:
        """The attributes, for a checkpoint."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @cached_property
    def factors(self) -> Tensor:
        r"""Cholesky factors ``(G, d, d)`` of :math:`\Sigma + \epsilon I`.

        :math:`\epsilon` is a fiftieth of the mean variance: few pixels vary in few directions.
        """
        covariances = self.covariances.double()
        level = covariances.diagonal(dim1=1, dim2=2).mean(1).clamp_min(1e-12) / 50
        eye = torch.eye(covariances.shape[1], dtype=level.dtype, device=level.device)
        return torch.linalg.cholesky(covariances + level[:, None, None] * eye).float()

    def shares(self, total: int) -> Tensor:
        """How many of about ``total`` draws each Gaussian gives: as its count is, at least one."""
        return (total * self.counts / self.counts.sum()).round().long().clamp_min(1)

    def draw(self, total: int) -> tuple[Tensor, Tensor]:
        """About ``total`` draws, as many of each Gaussian as :meth:`shares` says.

        Returns:
            Features ``(P, d)`` float32 and their classes ``(P,)``, in the order of the Gaussians.
        """
        # Without an index, which a GPU would have to wait for.
        shares = self.shares(total).tolist()
        noise = torch.randn(sum(shares), self.means.shape[1], device=self.means.device)
        parts = zip(self.means, self.factors, noise.split(shares), strict=True)
        features = [mean + own @ factor.T for mean, factor, own in parts]
        labels = [label.expand(n) for label, n in zip(self.labels, shares, strict=True)]
        return torch.cat(features), torch.cat(labels)

    def to(self, device) -> "FeatureGaussians":
        """The same with what draws need on a device; counts stay where they are."""
        return replace(
            self,
            labels=self.labels.to(device),
            means=self.means.to(device),
            covariances=self.covariances.to(device),
        )
