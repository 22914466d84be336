"""Predicting classes by Gaussians of their features, which follow the features as they drift."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.datasets.data import Sample
from vdfd_seg.distillation import ClassGaussians
from vdfd_seg.errors import InputError
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.image_features import features_of


class GaussianClassifier(Method):
    r"""A part that any method of classification can carry: ``gaussians=a`` in its config.

    Each class is carried as the mean :math:`\mu_c` of its features, with one covariance
    :math:`\Sigma` for all (:class:`~vdfd_seg.distillation.ClassGaussians`). Linear maps move the
    Gaussians of old classes as the step moved the features of its own images, unrotated and
    rotated by multiples of 90 degrees: images unlike the new classes tell more about the drift of
    the old ones. An image then scores, of a task's classes g,

    .. math::
        \log \mathrm{softmax}(s_g) + a \log \mathrm{softmax}(r_g), \qquad
        r_c = \log N(h; \mu_c, S), \qquad S = \Sigma + \frac{\mathrm{tr} \Sigma}{d} I,

    with the heads' logits s, where its task is known; else only :math:`r_c`, since heads of
    different tasks were never trained against each other. A mixin, which :func:`with_gaussians`
    puts before a method's class.

    Attributes:
        gaussians: a.
    """

    gaussians = 0.0
    discriminant: tuple[Tensor, Tensor] | None = None

    def __init_subclass__(cls, **kwargs):
        """The means are of labelled images."""
        super().__init_subclass__(**kwargs)
        cls.requires = cls.requires | {"labels"}

    def before_task(self, context: TaskContext) -> None:
        """Note the features of the step's images."""
        if context.step:
            if "gaussians" not in context.carried:
                raise InputError(
                    f"method {type(self).__name__}: step {context.step - 1} was trained without "
                    f"gaussians and carries none; set method.gaussians=0, or train from step 0."
                )
            upright, _ = features_of(context, context.samples)
            self._features_before = torch.cat([upright, rotated_features(context)]).float()
        super().before_task(context)

    def after_task(self, context: TaskContext) -> dict:
        """Move the Gaussians of old classes, and add those of the new ones."""
        carried = super().after_task(context)
        after, labels = features_of(context, context.samples)
        classes = context.protocol.task_labels(context.step)
        gaussians = ClassGaussians.of(after, labels, classes)
        if context.step:
            seen = torch.cat([after, rotated_features(context)])
            old = _gaussians(context.carried["gaussians"])
            gaussians = old.moved(self._features_before, seen).joined(gaussians)
            del self._features_before
        carried["gaussians"] = {
            "means": gaussians.means.float(),
            "covariance": gaussians.covariance.float(),
            "tasks": gaussians.tasks,
            "weight": self.gaussians,
        }
        self._take(carried["gaussians"])
        return carried

    def restore(self, state: dict) -> None:
        """Take the Gaussians, where there are any."""
        super().restore(state)
        if "gaussians" in state:
            self._take(state["gaussians"])

    def _take(self, state: dict) -> None:
        rows, offsets = _gaussians(state).discriminant()
        self.discriminant = rows.float(), offsets.float()

    def scores(self, features: Tensor) -> Tensor:
        """Log-densities ``(N, C)`` of features ``(N, d)``, less what all classes share."""
        assert self.discriminant is not None
        rows, offsets = (part.to(features.device) for part in self.discriminant)
        return torch.addmm(offsets, features.float(), rows.T)

    def predict(self, adapter, inputs: Tensor, samples):
        """Scores ``(N, C)``; the method's own predictions before there are Gaussians."""
        if self.discriminant is None:
            return super().predict(adapter, inputs, samples)
        outputs = adapter.outputs(inputs)
        scores = self.scores(outputs.embedding)
        if adapter.scenario != "task":
            return scores
        sizes = adapter.network.head_sizes
        return within_tasks(outputs.logits.float(), scores, sizes, self.gaussians)


def with_gaussians(kind: type[Method]) -> type[Method]:
    """A method's class with :class:`GaussianClassifier`, under its own name."""
    return type(kind.__name__, (GaussianClassifier, kind), {"__doc__": kind.__doc__})


def rotated_features(context: TaskContext) -> Tensor:
    """Features ``(N, d)`` of a step's images, each rotated as :func:`rotated_thirds` says."""
    parts = rotated_thirds(context.samples)
    return torch.cat([features_of(context, own, rotations)[0] for rotations, own in parts])


def rotated_thirds(samples: list[Sample]) -> list[tuple[int, list[Sample]]]:
    """By how many times 90 degrees images are rotated, once, twice or thrice, and every third."""
    parts = [(rotations, samples[rotations - 1 :: 3]) for rotations in (1, 2, 3)]
    return [(rotations, own) for rotations, own in parts if own]


def within_tasks(heads: Tensor, scores: Tensor, sizes: Sequence[int], weight: float) -> Tensor:
    """``log softmax(heads) + weight * log softmax(scores)``, each over one task's classes.

    ``heads`` are logits and ``scores`` log-densities ``(N, C)``, of tasks of these sizes.
    """
    groups = zip(heads.split(sizes, 1), scores.split(sizes, 1), strict=True)
    parts = [F.log_softmax(h, 1) + weight * F.log_softmax(s, 1) for h, s in groups]
    return torch.cat(parts, 1)


def _gaussians(state: dict) -> ClassGaussians:
    means, covariance = state["means"].double().cpu(), state["covariance"].double().cpu()
    return ClassGaussians(means, covariance, state["tasks"])
