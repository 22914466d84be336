"""VDFD's bound on the images of a step, and replay of features of old classes."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.distillation import FeatureGaussians
from vdfd_seg.errors import InputError
from vdfd_seg.losses import new_classes_as_background
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.divergences import Divergence, build_divergence
from vdfd_seg.methods.common.feature_cache import FeatureCache, pixels_of
from vdfd_seg.methods.common.options import not_negative, option
from vdfd_seg.methods.common.output_cache import CachedOutputsMethod
from vdfd_seg.methods.common.reconstruction import reconstruct_backbone
from vdfd_seg.methods.frozen_trunk import freeze_trunk
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class VDFDPlus(CachedOutputsMethod):
    r"""The variational bound on the new task's images, and replay of features without images.

    .. math::
        L = L_{task} + \lambda D(t, s) + \frac{1}{n} \sum_{i=1}^n -\log s_{y_i}(x_i)

    for outputs t of the weights at the start of the step and s of those that train. **Not the
    paper's VDFD** (:class:`~vdfd_seg.methods.VDFD`): that bounds the outputs at the old inputs, to
    first order, from carried gradients. Here the inputs are the new task's, and nothing is
    carried. t is cached before training.

    Outputs are logits of the old classes, at the head's resolution. Where the background hides old
    classes, the new classes' logits belong to it, as in MiB:
    :math:`s_0 = \log(e^{o_0} + \sum_{c \ge K} e^{o_c})`, and likewise in t. After MiB's balanced
    initialisation both are the outputs of the network of the step before when the step starts.

    The last term comes with ``replay``, for sequences of many steps. The trunk is then frozen
    after the first task, and only the classifier trains, on features computed once. Learned
    classes, and the background over all steps, are carried as the Gaussians of the classifier's
    input over their pixels (:class:`~vdfd_seg.distillation.FeatureGaussians`), from which x and y
    are drawn. The term is a cross-entropy over all classes, so new rows learn to reject the old
    ones.

    Args:
        weight: :math:`\lambda`.
        divergence: D, a dict with its options: ``dict(type='Softmax', temperature=2.0)`` (default),
            the bound of a categorical distribution, or ``dict(type='GaussianBound')``, the
            paper's; see :mod:`~vdfd_seg.methods.common.divergences`. Or only the type.
        replay: Draws an iteration; 0 for a trunk that trains, and no memory of features.
        num_views: Augmented views of an image. With as many views as the step has passes the cache
            is as good as running the old network.
        reconstruct: With ``replay``, iterations after the first task in which the head learns to
            keep what the backbone knows and the first task did not need
            (:func:`~vdfd_seg.methods.common.reconstruction.reconstruct_backbone`); 0 for none.
    """

    requires = CachedOutputsMethod.requires | {"old_heads"}
    unbiased_loss = True
    new_rows = "balanced"
    weight: float = not_negative(1.0)
    divergence: Divergence = option("Softmax", build_divergence)
    replay: int = not_negative(0).only_for(
        "segmentation", advice="Leave it at 0; for classification there is method.gaussians."
    )
    reconstruct: int = not_negative(0)
    memory: FeatureGaussians | None = None
    num_old = 0
    hides = False

    def __init__(self, **options: Any):
        super().__init__(**options)
        if self.replay:
            self.requires = self.requires | {"features", "labels"}

    def before_task(self, context: TaskContext) -> None:
        """Cache features and outputs, and prepare the divergence."""
        if not context.step:
            return
        if self.replay:
            self.memory = self._carried(context).to(context.device)
            freeze_trunk(context.adapter)
            self.training_features = FeatureCache(context, self.num_views)
        if self.weight:
            self._begin_divergence(context)
            self.cache_outputs(context)
        elif not self.replay:
            # Nothing is cached: a new view at every draw, as the class has it.
            del self.num_views

    def _begin_divergence(self, context: TaskContext) -> None:
        protocol, adapter = context.protocol, context.adapter
        sizes = [size for size in protocol.task_sizes(context.step - 1) if size]
        self.num_old = sum(sizes)
        self.hides = self.num_hidden(context) > 0
        rows = adapter.prototypes().detach()[: self.num_old]
        self.divergence.begin(rows.split(sizes), apart=protocol.scenario == "task")
        self.optimizer = self.divergence.optimizer

    def cached(self, adapter, outputs) -> Tensor:
        """The old classes' logits."""
        return self._of_old_classes(outputs.logits)

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted divergence, its parts for the log, and the replay."""
        losses = {}
        if self.cache is not None:
            new = self._of_old_classes(outputs.logits)
            value, parts = self.divergence(new, self.cache.lookup(samples, new.device))
            losses["loss_bound"] = self.weight * value
            losses.update({f"bound_{name}": part for name, part in parts.items()})
        if self.memory is not None:
            features, labels = self.memory.draw(self.replay)
            rows, bias = adapter.classifier()
            losses["loss_replay"] = F.cross_entropy(F.linear(features, rows, bias).float(), labels)
        return losses

    def _of_old_classes(self, logits: Tensor) -> Tensor:
        """Logits of the old classes; those of new ones belong to a background that hides them."""
        if self.hides:
            return new_classes_as_background(logits.float(), self.num_old)
        return logits[:, : self.num_old].float()

    def after_task(self, context: TaskContext) -> dict:
        """Let the caches go; carry the Gaussians of the classes learned, if they are replayed."""
        features: Any = self.training_features
        self.cache = self.memory = self.training_features = None
        if not self.replay:
            return {}
        if self.reconstruct and not context.step:
            reconstruct_backbone(context, self.reconstruct)
        pixels = pixels_of(context, self.num_views, features)
        step, hides = context.step, context.protocol.hides
        labels = context.protocol.task_labels(step)
        gaussians = FeatureGaussians.of(pixels, [0, *labels] if step and hides else labels)
        if step:
            # The background of every step counts alike, and together as the first task's did.
            share = 1 / (step + 1) if hides else None
            gaussians = self._carried(context).joined(gaussians, share)
        return {"replay": gaussians.to_state()}

    def _carried(self, context: TaskContext) -> FeatureGaussians:
        if "replay" not in context.carried:
            raise InputError(
                f"method VDFDPlus: step {context.step - 1} was trained without replay and carries "
                f"no features of its classes; set method.replay=0, or train from step 0."
            )
        return FeatureGaussians(**context.carried["replay"])
