"""iCaRL, for classification: exemplars, distillation and the nearest mean of exemplars."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.datasets.data import Sample
from vdfd_seg.errors import InputError
from vdfd_seg.losses import sigmoid_distillation
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.image_features import features_of
from vdfd_seg.methods.common.options import at_least_one
from vdfd_seg.methods.common.teacher import LogitsDistillation
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class ICaRL(LogitsDistillation):
    r"""Keeps exemplars of old classes, and classifies by the nearest mean of exemplars.

    Training runs over the step's images and all exemplars; all classes seen compete, in both
    scenarios:

    .. math::
        L = L_{CE} + \lambda \frac{1}{N} \sum_x \sum_{c<K} \mathrm{BCE}\big(
        \sigma(z_c(x)), \sigma(\tilde z_c(x))\big)

    over the K old classes, :math:`\tilde z` from the network of the step before. Prediction is
    the class whose exemplars' mean feature is nearest (features and means of length one).
    Rebuffi et al., CVPR 2017; the cross-entropy in place of the paper's binary one, and the
    defaults, are FACIL's. **Stores data**: the exemplars' positions are carried, and their images
    read again.

    Args:
        weight: :math:`\lambda`. Default 1.
        exemplars: How many in all, divided equally among the classes seen and rounded up.
            Default 2000. They are chosen by :func:`herding`.
    """

    requires = LogitsDistillation.requires | {"old_images"}
    problems = ("classification",)
    exemplars: int = at_least_one(2000)
    means: Tensor | None = None

    def select(self, data, step: int, carried: dict) -> list:
        """The step's images and all exemplars."""
        return [*data.train_samples(step), *exemplar_samples(carried)]

    def stored_data_bytes(self, data, step: int) -> int:
        """Bytes of the exemplars' images and labels."""
        classes = data.protocol.num_classes(step)
        images = [sample.image for sample in data.cumulative_samples(step)]
        sizes = np.bincount(data.labels["train"][images], minlength=classes)
        each = math.ceil(self.exemplars / classes)
        return data.sample_bytes([None] * int(np.minimum(sizes, each).sum()))

    def check(self, protocol: Protocol) -> None:
        """Refuse fewer exemplars than classes."""
        count = len(protocol.label_names)
        if self.exemplars < count:
            raise InputError(
                f"method ICaRL: exemplars={self.exemplars} is less than one for each of the "
                f"{count} classes."
            )

    def before_task(self, context: TaskContext) -> None:
        """Take the teacher, and let all classes seen compete even where the task is known."""
        super().before_task(context)
        context.adapter.within_task = False

    def distilled(self, new: Tensor, old: Tensor) -> Tensor:
        """The distillation of the old classes' sigmoids."""
        return sigmoid_distillation(new, old)

    def after_task(self, context: TaskContext) -> dict:
        """Choose exemplars of the new classes, cut those of the old, and take all means."""
        super().after_task(context)
        each = math.ceil(self.exemplars / context.protocol.num_classes(context.step))
        features, labels = _unit_features(context, context.samples)
        kept = {}
        for label, positions in context.carried.get("exemplars", {}).items():
            kept[int(label)] = [list(item) for item in positions[:each]]
        for label in context.protocol.task_labels(context.step):
            rows = (labels == label).nonzero().flatten()
            order = herding(features[rows], min(each, len(rows)))
            chosen = [context.samples[int(i)] for i in rows[order]]
            kept[label] = [[sample.image, sample.task] for sample in chosen]
        samples = exemplar_samples({"exemplars": kept})
        features, labels = _unit_features(context, samples)
        means = [features[labels == label].mean(0) for label in sorted(kept)]
        state = {"exemplars": kept, "means": F.normalize(torch.stack(means), dim=1)}
        self.restore(state)
        return state

    def restore(self, state: dict) -> None:
        """Take the means of the exemplars."""
        self.means = state["means"]

    def predict(self, adapter, inputs: Tensor, samples) -> Tensor:
        """Minus the distance to each class's mean ``(N, C)``; logits before there are means."""
        if self.means is None:
            return adapter.network(inputs, samples, mode="predict")
        features = F.normalize(adapter.outputs(inputs).embedding.float(), dim=1)
        # Not cdist, which cannot be exported to ONNX; 51 MB for 250 images and 100 classes.
        return -torch.linalg.vector_norm(features[:, None] - self.means.to(features), dim=2)


def exemplar_samples(carried: dict) -> list[Sample]:
    """The exemplars that a carried state names, in the order of their classes."""
    kept = carried.get("exemplars", {})
    return [Sample(i, (), task) for label in sorted(kept, key=int) for i, task in kept[label]]


def herding(features: Tensor, count: int) -> Tensor:
    r"""Positions ``(count,)`` of examples whose running mean stays nearest to the mean of all.

    :math:`p_k = \arg\min_x \| \mu - \frac{1}{k} (\varphi(x) + \sum_{j<k} \varphi(p_j)) \|`
    (algorithm 4 of Rebuffi et al., CVPR 2017), each example at most once, in the order chosen.

    Args:
        features: ``(N, d)``, rows of length one.
        count: How many, at most N.
    """
    mean = features.mean(0)
    total = torch.zeros_like(mean)
    free = torch.ones(len(features), dtype=torch.bool)
    chosen = []
    for number in range(1, count + 1):
        distance = (mean - (total + features) / number).norm(dim=1)
        best = int(distance.masked_fill(~free, float("inf")).argmin())
        chosen.append(best)
        free[best] = False
        total += features[best]
    return torch.tensor(chosen, dtype=torch.int64)


def _unit_features(context: TaskContext, samples: list[Sample]) -> tuple[Tensor, Tensor]:
    """Features of length one, and labels."""
    features, labels = features_of(context, samples)
    return F.normalize(features, dim=1), labels
