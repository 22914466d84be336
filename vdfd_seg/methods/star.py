"""STAR: prototypes of old classes, replayed as often as their pixels are missing."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

from vdfd_seg.losses import wide
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import at_middle
from vdfd_seg.methods.common.options import at_least_one, not_negative, positive
from vdfd_seg.methods.common.sigmoid_rows import SigmoidRows, mean_where
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS

NEAREST = 0.01
"""Least distance between a new class's centre and an old prototype that is told apart."""


@METHODS.register_module()
class STAR(SigmoidRows):
    r"""Replay of prototypes, and features kept where the network sees old classes.

    .. math::
        L = \frac{\ell + \sum_c r_c \ell_c + r_0 \ell_0}{1 + \sum_c r_c + r_0}
        + \lambda \ell_{pkd} + \mu \ell_{cont}

    Chen et al., "Saving 100x Storage: Prototype Replay for Reconstructing Training Sample
    Distribution in Class-Incremental Semantic Segmentation", NeurIPS 2023. Features are inputs of
    the classifier, with labels at the middle of their cells.

    :math:`\ell` is the mean loss of the step's classes over labelled pixels
    (:class:`~vdfd_seg.methods.common.sigmoid_rows.SigmoidRows`), :math:`\ell_c` over replayed
    features of old class c, and :math:`\ell_0` over pixels that both the labels and the network at
    the start of the step call background. Each is weighted by its missing pixels,
    :math:`r_c = (n_c - m_c)_+ / n`: :math:`n_c` positions were labelled c in the step that
    introduced it, :math:`m_c` are predicted as c where the step's labels are background, and n are
    labelled.

    Three things are carried of the features f labelled c: the direction
    :math:`p_c \propto \frac{1}{n_c} \sum f / \lVert f \rVert`, of length 1; the deviation
    :math:`d_c^2 = \frac{1}{n_c} \sum (f / \lVert f \rVert - p_c)^2` from it; and the mean and
    standard deviation :math:`a_c, s_c` of :math:`\lVert f \rVert`. A replayed feature is
    :math:`(p_c + d_c \epsilon)(a_c + s_c \epsilon')` with standard normal
    :math:`\epsilon, \epsilon'`.

    :math:`\ell_{pkd}` is the mean squared difference between the features and those at the start
    of the step, where the label is background and a sigmoid of an old class exceeded 1/2.
    :math:`\ell_{cont}` is the mean over the batch's new classes of
    :math:`1 / \min_c \lVert \bar p - p_c \rVert`, with :math:`\bar p` computed like p from the
    batch.

    Args:
        pos_weight: Weight of a new class's own pixels.
        pkd_weight: :math:`\lambda`.
        cont_weight: :math:`\mu`.
        num_samples: Replayed features of each old class and iteration.
        num_views: Augmented views of an image whose features are cached.
    """

    # Prototypes are of labelled pixels.
    requires = frozenset({"old_outputs", "labels"})
    pos_weight: float = positive(4.0)
    pkd_weight: float = not_negative(5.0)
    cont_weight: float = not_negative(0.05)
    num_samples: int = at_least_one(256)
    classes: dict[str, Tensor] = {}
    missing: Tensor | None = None

    def before_task(self, context: TaskContext) -> None:
        """Cache the features, take the prototypes, and count what is missing of each class."""
        super().before_task(context)
        if context.step:
            self.classes = {k: v.to(context.device) for k, v in context.carried.items()}
            self.missing = self._missing(context)

    @torch.no_grad()
    def _missing(self, context: TaskContext) -> Tensor:
        """``(K,)``: r of the background and of every old class."""
        adapter, num_old = context.adapter, self.num_old
        counts = torch.zeros(num_old + 1, dtype=torch.float64, device=context.device)
        adapter.network.eval()
        for inputs, samples in context.batches():
            logits = adapter.logits(inputs)[:, :num_old]
            labels = at_middle(adapter.labels(samples), logits.shape[-2:])
            counts[:-1] += logits.argmax(1)[labels == 0].bincount(minlength=num_old)
            counts[-1] += (labels != IGNORE_INDEX).sum()
        adapter.network.train()
        all_reduce(counts)
        seen, total = counts[:-1].float(), counts[-1].float()
        return (self.classes["counts"] - seen).clamp(min=0) / total.clamp(min=1)

    def cached(self, adapter, outputs) -> Tensor:
        """The features, and after them the greatest logit of an old class."""
        best = outputs.logits[:, 1 : self.num_old].amax(1, keepdim=True)
        return torch.cat([outputs.embedding, best], 1)

    def averaged(self, adapter, pixels: Tensor, labels: Tensor, samples: list) -> Tensor:
        """The mean over what joint training would have."""
        own = super().averaged(adapter, pixels, labels, samples)
        if self.cache is None or self.missing is None:
            return own
        best = adapter.upsample(self.cache.lookup(samples, labels.device)[:, -1:], labels)[:, 0]
        background = mean_where(pixels, (labels == 0) & (best <= 0))
        replayed = (self.missing[1:] * self.replayed(adapter)).sum()
        total = own + self.missing[0] * background + replayed
        return total / (1 + self.missing.sum())

    def replayed(self, adapter) -> Tensor:
        """``(K - 1,)``: the mean loss of the replayed features of each old class."""
        directions, norms = self.classes["prototypes"], self.classes["norms"]
        shape = (self.num_samples, *directions.shape)
        features = directions + self.classes["noise"] * torch.randn(shape, device=norms.device)
        lengths = norms[:, 0] + norms[:, 1] * torch.randn(shape[:2], device=norms.device)
        rows, bias = adapter.classifier()
        rows, bias = rows[self.first :], None if bias is None else bias[self.first :]
        logits = F.linear(lengths[..., None] * features, rows, bias)
        return F.softplus(wide(logits)).sum(-1).mean(0)

    def extra_losses(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The weighted losses of the features."""
        if self.cache is None:
            return {}
        new = wide(outputs.embedding)
        old = self.cache.lookup(samples, new.device)
        labels = at_middle(adapter.labels(samples), new.shape[-2:])
        change = (new - old[:, :-1]).square().mean(1)
        kept = mean_where(change, (labels == 0) & (old[:, -1] > 0))
        # Directions in half precision would be too coarse for small distances.
        with torch.autocast(new.device.type, enabled=False):
            apart = self.closeness(new, labels, len(adapter.classifier()[0]))
        return {"loss_pkd": self.pkd_weight * kept, "loss_cont": self.cont_weight * apart}

    def closeness(self, features: Tensor, labels: Tensor, num_classes: int) -> Tensor:
        """Mean of 1 / (distance to the nearest old prototype) over the new classes of the batch.

        Of features ``(N, d, h, w)`` and labels ``(N, h, w)``; new are the last of all classes.
        """
        classes = torch.arange(self.first, num_classes, device=labels.device)
        member = (labels[:, None] == classes[:, None, None]).to(features)
        sums = torch.einsum("nchw,ndhw->cd", member, F.normalize(features))
        # Of all processes. Another's features have no gradient here: one's own stand for them,
        # since gradients are averaged over processes.
        everywhere = torch.cat([sums.detach(), member.sum((0, 2, 3))[:, None]], 1)
        all_reduce(everywhere)
        sums = everywhere[:, :-1] + get_world_size() * (sums - sums.detach())
        known = self.classes["counts"][1:] > 0
        distances = (F.normalize(sums)[:, None] - self.classes["prototypes"]).norm(dim=-1)
        # Masks in place of selections, which would wait for the device.
        nearest = distances.masked_fill(~known, torch.inf).amin(1).clamp(min=NEAREST)
        present = everywhere[:, -1] > 0
        return (1 / nearest).masked_fill(~present, 0).sum() / present.sum().clamp(min=1)

    def after_task(self, context: TaskContext) -> dict:
        """Add the prototypes of the task's classes to those carried."""
        super().after_task(context)
        self.classes, self.missing = {}, None
        new, old = self.describe(context), context.carried
        return {k: torch.cat([old[k].to(v), v]) if old else v for k, v in new.items()}

    @torch.no_grad()
    def describe(self, context: TaskContext) -> dict[str, Tensor]:
        """Prototypes, deviations, means and deviations of norms, and counts of the task's classes.

        In the first step the count of the background comes before those of the classes.
        """
        adapter = context.adapter
        rows = adapter.classifier()[0]
        width = rows.shape[1]
        classes = torch.arange(self.num_old, len(rows), device=rows.device)
        sums = torch.zeros(len(classes), 2 * width + 3, dtype=torch.float64, device=rows.device)
        adapter.network.eval()
        for inputs, samples in context.batches():
            features = adapter.outputs(inputs).embedding.double()
            labels = at_middle(adapter.labels(samples), features.shape[-2:])
            norms, directions = features.norm(dim=1, keepdim=True), F.normalize(features)
            parts = [directions, directions**2, norms, norms**2, torch.ones_like(norms)]
            member = (labels[:, None] == classes[:, None, None]).double()
            sums += torch.einsum("nchw,nmhw->cm", member, torch.cat(parts, 1))
        all_reduce(sums)
        counts = sums[:, -1]
        means = (sums / counts.clamp(min=1)[:, None])[self.first - self.num_old :]
        mean, square, norm, norm_square, _ = means.split([width, width, 1, 1, 1], 1)
        prototypes = F.normalize(mean)
        noise = (square - 2 * prototypes * mean + prototypes**2).clamp(min=0).sqrt()
        deviation = (norm_square - norm**2).clamp(min=0).sqrt()
        found = {
            "prototypes": prototypes,
            "noise": noise,
            "norms": torch.cat([norm, deviation], 1),
            "counts": counts,
        }
        return {key: value.float() for key, value in found.items()}
