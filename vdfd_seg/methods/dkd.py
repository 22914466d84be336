"""DKD: distillation of the evidence for a class and of the evidence against it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses import sigmoid_distillation, wide
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.methods.common.sigmoid_rows import SigmoidRows, mean_where
from vdfd_seg.methods.common.spare_row import SpareRow
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class DKD(SigmoidRows):
    r"""Distillation of logits and of their positive and negative parts.

    .. math::
        L = \ell + \lambda\, h(o, \tilde o) + \mu \big( h(o^+, \tilde o^+) + h(o^-, \tilde o^-)
        \big) + \ell_{ac}, \qquad
        h(z, \tilde z) = \frac{1}{|P|} \sum_p \sum_{0 < c < K}
        \mathrm{BCE}\big(\sigma(z_{p,c}), \sigma(\tilde z_{p,c})\big)

    Baek et al., "Decomposed Knowledge Distillation for Class-Incremental Semantic Segmentation",
    NeurIPS 2022. :math:`\ell` is the mean loss of the step's classes over labelled pixels
    (:class:`~vdfd_seg.methods.common.sigmoid_rows.SigmoidRows`). An old class's logit
    :math:`o = x^\top w + b` has the parts :math:`o^+ = x^\top \max(w, 0)` and
    :math:`o^- = x^\top \min(w, 0)`. Each is kept near its value at the start of the step.

    :math:`\ell_{ac}` is the mean over labelled pixels of :math:`-\log(1 - \sigma(z))` for the logit
    z of an auxiliary row, whose features get no gradient. The row is carried, and the rows of new
    classes start as copies, which have seen the negative examples of all earlier steps. In the
    first step, and after a step 0 that another method trained, it starts at zero.

    Args:
        pos_weight: Weight of a new class's own pixels.
        kd_weight: :math:`\lambda`.
        dkd_weight: :math:`\mu`.
        auxiliary_lr: Learning rate of the auxiliary row, by SGD with momentum 0.9; it follows the
            network's.
        num_views: Augmented views of an image whose logits and their parts are cached.
    """

    kd_weight: float = not_negative(5.0)
    dkd_weight: float = not_negative(5.0)
    auxiliary_lr: float = positive(0.01)
    auxiliary: SpareRow

    def before_task(self, context: TaskContext) -> None:
        """Cache the parts of the logits, and start new rows from the auxiliary one."""
        super().before_task(context)
        self.auxiliary = SpareRow(context.adapter, context.carried.get("auxiliary"))
        self.optimizer = torch.optim.SGD(
            self.auxiliary.parameters(), lr=self.auxiliary_lr, momentum=0.9
        )
        if context.step:
            self.auxiliary.begin_new_rows(context.adapter, self.num_old)

    def cached(self, adapter, outputs) -> Tensor:
        """The old classes' logits, their positive and negative parts: ``(N, 3 (K - 1), h, w)``."""
        rows, _ = adapter.classifier()
        rows, features = wide(rows[1 : self.num_old, :, None, None]), wide(outputs.embedding)
        with torch.autocast(features.device.type, enabled=False):
            parts = [F.conv2d(features, each) for each in (rows.clamp(min=0), rows.clamp(max=0))]
        return torch.cat([wide(outputs.logits[:, 1 : self.num_old]), *parts], 1)

    def extra_losses(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The auxiliary row's loss, and the weighted distillations."""
        labels = adapter.labels(samples)
        scores = self.auxiliary(outputs.embedding.detach())
        pixels = F.softplus(wide(adapter.upsample(scores, labels)))[:, 0]
        losses = {"loss_ac": mean_where(pixels, labels != IGNORE_INDEX)}
        if self.cache is None:
            return losses
        new = self.cached(adapter, outputs).chunk(3, 1)
        old = self.cache.lookup(samples, labels.device).chunk(3, 1)
        logits, supporting, opposing = map(sigmoid_distillation, new, old)
        losses["loss_kd"] = self.kd_weight * logits
        losses["loss_dkd"] = self.dkd_weight * (supporting + opposing)
        return losses

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go, and carry the auxiliary row."""
        super().after_task(context)
        return {"auxiliary": self.auxiliary.carried()}
