"""A classifier in closed form on a frozen trunk."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import pixels_of
from vdfd_seg.methods.common.options import at_least_one, not_negative, positive
from vdfd_seg.methods.common.pseudo_labels import with_old_classes
from vdfd_seg.methods.frozen_trunk import freeze_trunk
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class SegACIL(Method):
    r"""Ridge regression from pixels' features to one-hot labels, updated step by step.

    .. math::
        W = (G + \gamma I)^{-1} H, \qquad G = \sum_p x_p x_p^\top, \qquad H = \sum_p x_p y_p^\top

    over all pixels p of all steps so far, with x the classifier's input and a one, y the one-hot
    label. A step adds its own sums, and the result is that of one regression over all steps'
    images, with the labels that each step had. From the second step on nothing is trained.

    Where the labels hide old classes, a background pixel that the classifier before takes for an
    old class, with a score of at least ``confidence``, gets that class as label.

    Yang et al., "SegACIL: Solving the Stability-Plasticity Dilemma in Class-Incremental Semantic
    Segmentation", 2024, without their random features before the regression.

    Args:
        ridge: :math:`\gamma`.
        confidence: Least score of a pseudo-label; above 1, there are none.
        num_views: Augmented views of an image, each of which enters once.
    """

    requires = frozenset({"labels"})
    problems = ("segmentation",)
    closed_form = True
    ridge: float = positive(1.0)
    confidence: float = not_negative(0.6)
    num_views: int = at_least_one(1)

    def before_task(self, context: TaskContext) -> None:
        """Freeze the trunk."""
        if context.step:
            freeze_trunk(context.adapter)

    @torch.no_grad()
    def after_task(self, context: TaskContext) -> dict:
        """Add the step's sums, and solve for the classifier."""
        rows, bias = context.adapter.classifier()
        num_classes, d = rows.shape
        size = d if bias is None else d + 1
        gram = torch.zeros(size, size, dtype=torch.float64, device=rows.device)
        targets = torch.zeros(size, num_classes, dtype=torch.float64, device=rows.device)
        for features, labels in pixels_of(context, self.num_views):
            if context.num_hidden:
                scores = F.linear(features, rows, bias)[:, : context.num_old]
                labels = with_old_classes(labels, scores, self.confidence)
            kept = labels != IGNORE_INDEX
            x = features[kept].double()
            x = x if bias is None else F.pad(x, (0, 1), value=1.0)
            gram += x.T @ x
            targets += x.T @ F.one_hot(labels[kept], num_classes).double()
        all_reduce(gram)
        all_reduce(targets)
        if context.step:
            gram += context.carried["gram"].to(gram)
            targets[:, : context.num_old] += context.carried["targets"].to(gram)
        eye = torch.eye(size, dtype=gram.dtype, device=gram.device)
        solution = torch.linalg.solve(gram + self.ridge * eye, targets).to(rows)
        rows.copy_(solution[:d].T)
        if bias is not None:
            bias.copy_(solution[d])
        return {"gram": gram, "targets": targets}
