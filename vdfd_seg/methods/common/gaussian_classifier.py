"""Predicting classes from where their features lie, and following these as they drift."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.datasets.segmentation.task_dataset import Sample
from vdfd_seg.distillation import ClassGaussians
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.features import features_of


class GaussianClassifier:
    """What a method calls to keep :class:`~vdfd_seg.distillation.ClassGaussians` over the tasks.

    Between steps the means of all classes and one covariance are kept, in single precision; while
    a step trains, the features that its images had when it began, as they are and turned: what is
    unlike the new classes says more of the old ones' drift.
    """

    def __init__(self):
        self.before: Tensor | None = None
        self.discriminant: tuple[Tensor, Tensor] | None = None

    def begin(self, context: TaskContext) -> None:
        """Before a step trains: note the features of its images."""
        upright, _ = features_of(context, context.samples)
        self.before = torch.cat([upright, turned_features(context)]).float()

    def end(self, context: TaskContext, carried: dict) -> dict:
        """After a step: move the Gaussians of old classes, and add those of the new ones.

        Args:
            context: The step.
            carried: What this returned at the step before; ``{}`` at the first.

        Returns:
            What to carry.
        """
        after, labels = features_of(context, context.samples)
        classes = context.protocol.task_labels(context.step)
        gaussians = ClassGaussians.of(after, labels, classes)
        if carried:
            assert self.before is not None
            seen = torch.cat([after, turned_features(context)])
            gaussians = _gaussians(carried).moved(self.before, seen).joined(gaussians)
        self.before = None
        state = {
            "means": gaussians.means.float(),
            "covariance": gaussians.covariance.float(),
            "tasks": gaussians.tasks,
        }
        self.restore(state)
        return state

    def restore(self, state: dict) -> None:
        """Take what :meth:`end` returned, for prediction."""
        rows, offsets = _gaussians(state).discriminant()
        self.discriminant = rows.float(), offsets.float()

    def scores(self, features: Tensor) -> Tensor:
        """Log-densities ``(N, C)`` of features ``(N, d)``, less what all classes share."""
        assert self.discriminant is not None
        rows, offsets = (part.to(features.device) for part in self.discriminant)
        return torch.addmm(offsets, features.float(), rows.T)


def turned_features(context: TaskContext) -> Tensor:
    """Features ``(N, d)`` of a step's images, each turned as :func:`turned_thirds` says."""
    parts = turned_thirds(context.samples)
    return torch.cat([features_of(context, own, turns)[0] for turns, own in parts])


def turned_thirds(samples: list[Sample]) -> list[tuple[int, list[Sample]]]:
    """By how many times 90 degrees images are turned, once, twice or thrice, and every third."""
    parts = [(turns, samples[turns - 1 :: 3]) for turns in (1, 2, 3)]
    return [(turns, own) for turns, own in parts if own]


def within_tasks(heads: Tensor, scores: Tensor, sizes: Sequence[int], weight: float) -> Tensor:
    """``log softmax(heads) + weight * log softmax(scores)``, each over one task's classes.

    Args:
        heads: Logits ``(N, C)``.
        scores: Log-densities ``(N, C)``.
        sizes: Number of classes of each task.
        weight: Of the log-densities.

    Returns:
        ``(N, C)``.
    """
    groups = zip(heads.split(sizes, 1), scores.split(sizes, 1), strict=True)
    parts = [F.log_softmax(h, 1) + weight * F.log_softmax(s, 1) for h, s in groups]
    return torch.cat(parts, 1)


def _gaussians(state: dict) -> ClassGaussians:
    means, covariance = state["means"].double().cpu(), state["covariance"].double().cpu()
    return ClassGaussians(means, covariance, state["tasks"])
