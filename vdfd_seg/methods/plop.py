"""PLOP: Local POD and pseudo-labels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vdfd_seg.losses import local_pod_loss
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.distilled_maps import MapDistillation
from vdfd_seg.methods.common.options import at_least_one, not_negative, one_of, option
from vdfd_seg.methods.common.pseudo_labels import (
    EntropyMedians,
    normalised_entropy,
    pseudo_labels,
    relabelled,
)
from vdfd_seg.models import Outputs, SegmentationAdapter
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class PLOP(MapDistillation):
    r"""Pseudo-labels from the old network, and distillation of its maps by Local POD.

    .. math::
        L = \frac{1}{N} \sum_n \nu_n \, \ell_{CE}(x_n, \hat y_n) + \sqrt{\frac{C}{C_{new}}}
            \, \frac{1}{|l|} \sum_l \lambda_l \, d_l

    Douillard et al., "PLOP: Learning without Forgetting for Continual Semantic Segmentation",
    CVPR 2021. The maps of :class:`~vdfd_seg.methods.common.distilled_maps.MapDistillation` have
    distances :func:`~vdfd_seg.losses.local_pod_distance`; :math:`C` counts all classes,
    :math:`C_{new}` the step's. Labels :math:`\hat y` and factors :math:`\nu`:
    :func:`~vdfd_seg.methods.common.pseudo_labels.pseudo_labels`. Where no background hides old
    classes labels do not change and :math:`\nu = 1`.

    :math:`\ell_{CE}` is the loss of the network's heads of one image, so that any loss of a config
    and every auxiliary head is weighted in the same way. The published loss is a mean over all
    pixels of an image: ``CrossEntropyLoss`` with ``avg_non_ignore=False``.

    Args:
        feature_weight: :math:`\lambda_l` of all maps but the logits.
        logits_weight: That of the logits.
        scales: Numbers of cells along a side of a map.
        min_threshold: Least threshold of the entropy; that of classes never predicted.
        bins: Bins of the histogram of entropies. Confident networks need more than the released
            100 for exact medians: within the first bin the median is interpolated.
        entropy: ``"unit"``: in [0, 1], the paper's; ``"released"``: this divided by
            :math:`K \log C`, as in the code, where it is normalised twice: bins are coarse, and
            far more than half of the pixels are accepted.
        use_pseudo_labels: Whether hidden pixels get labels.
        adaptive_factor: Whether images are weighted by :math:`\nu`.
    """

    new_rows = "balanced"
    without_background = "without pseudo-labels"
    feature_weight: float = not_negative(0.01)
    logits_weight: float = not_negative(0.0005)
    scales: Sequence[int] = at_least_one((1, 2, 4))
    min_threshold: float = not_negative(0.001)
    bins: int = at_least_one(100)
    entropy: str = one_of("unit", "released")
    use_pseudo_labels: bool = option(True)
    adaptive_factor: bool = option(True)

    scale = 1.0
    _seen: tuple[Outputs, Outputs] | None = None

    def num_hidden(self, context: TaskContext) -> int:
        """None with pseudo-labels: an unbiased loss would take them for background again."""
        return 0 if self.use_pseudo_labels else context.num_hidden

    def before_task(self, context: TaskContext) -> None:
        """Take the old network and find its median entropies."""
        super().before_task(context)
        # In the state: a step that continues elsewhere must keep the same thresholds to the bit.
        self.register_buffer("thresholds", None)
        if self.teacher is None:
            return
        if self.entropy == "released":
            total = context.protocol.num_classes(context.step)
            self.scale = 1 / (self.num_old * math.log(total))
        if self.use_pseudo_labels and context.num_hidden:
            self.thresholds = self._find_thresholds(context)

    @torch.no_grad()
    def _find_thresholds(self, context: TaskContext) -> Tensor:
        medians = EntropyMedians(context.num_hidden, self.bins, context.device)
        assert self.teacher is not None
        old = SegmentationAdapter(self.teacher)
        for inputs, samples in context.batches():
            labels = context.adapter.labels(samples)
            logits = old.upsample(old.logits(inputs), labels)
            hidden = labels < context.num_hidden
            entropy = self.scale * normalised_entropy(logits)
            medians.update(entropy[hidden], logits.argmax(1)[hidden])
        return medians.compute().clamp(min=self.min_threshold)

    def loss(self, adapter, inputs: Tensor, samples: list) -> dict[str, Tensor]:
        """All terms, from one forward pass of each network."""
        try:
            return super().loss(adapter, inputs, samples)
        finally:
            # Or the graph would live on into the next iteration.
            self._seen = None

    def targets(self, adapter, outputs, samples: list) -> list:
        """Copies of the samples with pseudo-labels and, as ``image_weight``, the factors."""
        if self.thresholds is None or self.teacher is None:
            return samples
        labels = adapter.labels(samples)
        logits = adapter.upsample(self._outputs_of_old(adapter, outputs).logits, labels)
        labels, factors = pseudo_labels(labels, logits, self.thresholds, self.scale)
        copies = relabelled(samples, labels)
        if not self.adaptive_factor:
            factors = torch.ones_like(factors)
        for copy, factor in zip(copies, factors, strict=True):
            copy.image_weight = factor
        return copies

    def task_loss(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The heads' losses of each image times its factor, and the mean factor for the log."""
        if not samples or "image_weight" not in samples[0]:
            return adapter.task_loss(outputs, samples)
        weights = torch.stack([sample.image_weight for sample in samples])
        losses = adapter.task_loss(outputs, samples, weights)
        losses["adaptive_factor"] = weights.mean()
        return losses

    def extra_losses(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The weighted Local POD."""
        if self.teacher is None:
            return {}
        old = self._outputs_of_old(adapter, outputs)
        weights = [self.feature_weight] * (len(outputs.features) + 1) + [self.logits_weight]
        with torch.autocast(outputs.inputs.device.type, enabled=False):
            pod = local_pod_loss(*self.both_maps(adapter, outputs, old), weights, self.scales)
        return {"loss_pod": self.growth * pod}

    def _outputs_of_old(self, adapter: SegmentationAdapter, outputs: Outputs) -> Outputs:
        """The old network's for the same images, computed once an iteration."""
        assert self.teacher is not None
        if self._seen is None or self._seen[0] is not outputs:
            self._seen = outputs, adapter.old_outputs(self.teacher, outputs)
        return self._seen[1]
