"""PLOP: Local POD and pseudo-labels."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vdfd_seg.losses import local_pod_loss
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.distilled_maps import distilled_maps, growth_factor
from vdfd_seg.methods.common.options import at_least_one, not_negative, one_of
from vdfd_seg.methods.common.pseudo_labels import (
    EntropyMedians,
    normalised_entropy,
    pseudo_labels,
    relabelled,
)
from vdfd_seg.methods.common.teacher import TeacherMethod
from vdfd_seg.models.adapters.segmentation import Outputs, SegmentationAdapter
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class PLOP(TeacherMethod):
    r"""Pseudo-labels from the old network, and distillation of its maps by Local POD.

    .. math::
        L = \frac{1}{N} \sum_n \nu_n \, \ell_{CE}(x_n, \hat y_n) + \sqrt{\frac{C}{C_{new}}}
            \, \frac{1}{|l|} \sum_l \lambda_l \, d_l

    Douillard et al., "PLOP: Learning without Forgetting for Continual Semantic Segmentation",
    CVPR 2021. The maps are those of the backbone's stages, the input of the classifier and the
    low-resolution logits, see :func:`~vdfd_seg.losses.local_pod_distance`;
    :math:`C` counts all classes, :math:`C_{new}` the step's. Labels :math:`\hat y` and factors
    :math:`\nu`: :func:`~vdfd_seg.methods.common.pseudo_labels.pseudo_labels`. In
    domain-incremental protocols, or where no background hides old classes, labels do not change
    and :math:`\nu = 1`. With the same classes in every domain the root is 1, too. (Cityscapes was
    published with 1e-4 for the features and 1e-4 or 1e-3 for the logits.)

    :math:`\ell_{CE}` is the loss of the network's heads of one image. So any loss of a
    config, and every auxiliary head, is weighted in the same way. The published loss is a mean over
    all pixels of an image, ignored ones included: ``CrossEntropyLoss`` with
    ``avg_non_ignore=False``.

    Differences from the released code: maps are those that the backbone returns, after the
    stage's activation; the code takes them before it. Medians are over images without
    augmentation, as in evaluation, so that a resumed step finds the same. Maps that Local POD
    compares have no dropout, as the published network. The old network computes in full precision
    under autocast, as it does for its medians.

    Args:
        feature_weight: :math:`\lambda_l` of all maps but the logits.
        logits_weight: That of the logits.
        scales: Numbers of cells along a side of a map.
        min_threshold: Least threshold of the entropy; that of classes never predicted.
        bins: Bins of the histogram of entropies. Confident networks need more than the released
            100 for exact medians: within the first bin the median is interpolated.
        entropy: ``"unit"``: in [0, 1], the paper's; ``"released"``: this divided by
            :math:`K \log C`, as in the code, where the mean over the K old classes stands for the
            sum and is normalised twice. Bins are then coarse (three of 100 are used with 16 old
            classes), medians interpolated in the first of them, and far more than half of the
            pixels are accepted.
        use_pseudo_labels: Whether hidden pixels get labels.
        adaptive_factor: Whether images are weighted by :math:`\nu`.

    Raises:
        InputError: For a negative weight or threshold, no bins, a scale below 1, or an unknown
            ``entropy``.
    """

    problems = ("segmentation",)
    new_rows = "balanced"
    without_background = "without pseudo-labels"

    def __init__(
        self,
        feature_weight: float = 0.01,
        logits_weight: float = 0.0005,
        scales: Sequence[int] = (1, 2, 4),
        min_threshold: float = 0.001,
        bins: int = 100,
        entropy: str = "unit",
        use_pseudo_labels: bool = True,
        adaptive_factor: bool = True,
    ):
        super().__init__()
        not_negative(
            self,
            feature_weight=feature_weight,
            logits_weight=logits_weight,
            min_threshold=min_threshold,
        )
        at_least_one(self, bins=bins, scales=scales)
        one_of(self, ("unit", "released"), entropy=entropy)
        self.feature_weight = feature_weight
        self.logits_weight = logits_weight
        self.scales = tuple(scales)
        self.min_threshold = min_threshold
        self.bins = bins
        self.entropy = entropy
        self.use_pseudo_labels = use_pseudo_labels
        self.adaptive_factor = adaptive_factor
        self.background = False
        self.growth = 1.0
        self.scale = 1.0
        # In the state: a step that continues elsewhere must keep the same thresholds to the bit.
        self.register_buffer("thresholds", None)
        self._seen: tuple[Outputs, Outputs] | None = None

    def num_hidden(self, context: TaskContext) -> int:
        """None with pseudo-labels: an unbiased loss would take them for background again."""
        return 0 if self.use_pseudo_labels else context.num_hidden

    def before_task(self, context: TaskContext) -> None:
        """Take the old network and find its median entropies."""
        super().before_task(context)
        if self.teacher is None:
            return
        protocol = context.protocol
        total = protocol.num_classes(context.step)
        self.growth = growth_factor(context)
        self.background = protocol.background is not None
        if self.entropy == "released":
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
            pod = local_pod_loss(
                self._maps(adapter, outputs),
                self._maps(SegmentationAdapter(self.teacher), old),
                weights,
                self.scales,
            )
        return {"loss_pod": self.growth * pod}

    def _outputs_of_old(self, adapter: SegmentationAdapter, outputs: Outputs) -> Outputs:
        """The old network's for the same images, computed once an iteration."""
        assert self.teacher is not None
        if self._seen is None or self._seen[0] is not outputs:
            with torch.autocast(outputs.inputs.device.type, enabled=False):
                self._seen = outputs, adapter.old_outputs(self.teacher, outputs)
        return self._seen[1]

    def _maps(self, adapter: SegmentationAdapter, outputs: Outputs) -> list[Tensor]:
        return distilled_maps(adapter, outputs, self.num_old, self.background)
