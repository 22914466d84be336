"""A classifier in closed form on a frozen trunk."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.frozen_trunk import FrozenTrunkMethod
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class SegACIL(FrozenTrunkMethod):
    r"""Ridge regression from pixels' features to one-hot labels, updated step by step.

    .. math::
        W = (G + \gamma I)^{-1} H, \qquad G = \sum_p x_p x_p^\top, \qquad H = \sum_p x_p y_p^\top

    over all pixels p of all steps so far, with x the classifier's input and a one, y the one-hot
    label. G and H are sums, so that a step adds its own and needs no earlier image: the result is
    that of one regression over all steps' images with the labels that each step had. From the
    second step on nothing is trained; the pass over the images replaces training.

    Where the labels hide old classes, a background pixel that the classifier before takes for an
    old class, with a score of at least ``confidence``, gets that class as label.

    Yang et al., "SegACIL: Solving the Stability-Plasticity Dilemma in Class-Incremental Semantic
    Segmentation", 2024, with the recursion solved at the end of each step. Their random features
    before the regression (8196 of them, half a gigabyte carried) are left out: x is the
    classifier's own input, and the network stays an ordinary one.

    Args:
        ridge: :math:`\gamma`.
        confidence: Least score of a pseudo-label; above 1, there are none.
        num_views: Augmented views of an image, each of which enters once.

    Raises:
        InputError: For an option out of range.
    """

    def __init__(self, ridge: float = 1.0, confidence: float = 0.6, num_views: int = 1):
        super().__init__(num_views)
        positive(self, ridge=ridge)
        not_negative(self, confidence=confidence)
        self.ridge = ridge
        self.confidence = confidence

    def before_task(self, context: TaskContext) -> None:
        """Freeze the network; nothing trains after the first task."""
        super().before_task(context)
        self.trains = not context.step

    def after_task(self, context: TaskContext) -> dict:
        """Add the step's sums, and solve for the classifier."""
        cache = self.training_features or FeatureCache(context, self.cached_views)
        features, labels = cache.pixels()
        super().after_task(context)
        rows, bias = context.adapter.classifier()
        if context.num_hidden:
            old = features @ rows[: context.num_old].T.cpu().float()
            if bias is not None:
                old += bias[: context.num_old].cpu()
            labels = self.pseudo_labelled(labels, old)
        kept = labels != IGNORE_INDEX
        gram, targets = sums(features[kept], labels[kept], len(rows))
        if context.step:
            before = context.carried["gram"], context.carried["targets"]
            gram += before[0]
            targets[:, : context.num_old] += before[1]
        solution = solve(gram, targets, self.ridge).to(rows)
        with torch.no_grad():
            rows.copy_(solution[:-1].T)
            if bias is not None:
                bias.copy_(solution[-1])
        return {"gram": gram, "targets": targets}

    def pseudo_labelled(self, labels: Tensor, scores: Tensor) -> Tensor:
        """Labels ``(P,)`` with confident old classes in place of background.

        Args:
            labels: ``(P,)``, 0 where old classes are hidden.
            scores: ``(P, K)`` of the classifier before: regressions of one-hot labels.
        """
        best, old = scores.max(1)
        return torch.where((labels == 0) & (best >= self.confidence), old, labels)


def sums(features: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    r""":math:`\sum x x^\top` ``(d + 1, d + 1)`` and :math:`\sum x y^\top` ``(d + 1, C)``.

    Args:
        features: ``(P, d)``; x is a row of it and a one.
        labels: ``(P,)`` in [0, C).
        num_classes: C.

    Returns:
        Both in double precision.
    """
    x = F.pad(features.double(), (0, 1), value=1.0)
    return x.T @ x, x.T @ F.one_hot(labels, num_classes).double()


def solve(gram: Tensor, targets: Tensor, ridge: float) -> Tensor:
    """The regression's coefficients ``(d + 1, C)``, the last row the biases."""
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + ridge * eye, targets)
