"""The bases of methods whose classes have a sigmoid each."""

from typing import Any

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from vdfd_seg.errors import InputError
from vdfd_seg.losses import sigmoid_cross_entropy
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import one_of, positive
from vdfd_seg.methods.common.output_cache import CachedOutputsMethod
from vdfd_seg.protocols import IGNORE_INDEX, Protocol


@torch.no_grad()
def subtract_background(adapter: Any, num_old: int = 0) -> None:
    r"""Make the background's row zero without changing a prediction, in place.

    :math:`w_c \leftarrow w_c - w_0` for all rows, weights and biases, in a later step for those of
    the ``num_old`` old classes: softmax and argmax stay the same. Then the greatest logit is the
    background's, 0, exactly where all sigmoids of the others are below 1/2.
    """
    layer = adapter.network.get_submodule(adapter.classifier_name)
    for rows in (layer.weight, layer.bias):
        if rows is not None:
            rows[: num_old or None] -= rows[0].clone()


def check_background(method: Method, protocol: Protocol) -> None:
    """Refuse what has no background, and new rows that start as shares of it.

    Raises:
        InputError: Naming the method or the option.
    """
    if not protocol.hides:
        raise InputError(
            f"method {type(method).__name__} is for class-incremental protocols with a "
            f"background; choose another method."
        )
    one_of("random").set(method, "new_rows", method.new_rows)


def freeze_statistics(network: nn.Module) -> None:
    """Put batch norms and dropouts into evaluation mode; their weights continue training."""
    for module in network.modules():
        if isinstance(module, (_BatchNorm, _DropoutNd)):
            module.eval()


def mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of the values where the mask is true, over the batches of all processes; 0 without any.

    Each process divides its sum by its share of what all count, so that the mean of the
    processes' results, which their gradients are reduced to, is the mean over all.
    """
    count = mask.sum().to(values.dtype)
    all_reduce(count, "mean")
    return values.masked_fill(~mask, 0).sum() / count.clamp(min=1e-6)


class SigmoidMethod(CachedOutputsMethod):
    """Needs a background; after the first step, batch norms and dropouts are in evaluation mode.

    Attributes:
        num_old: How many classes are old, the background among them; 0 in the first step.
    """

    problems = ("segmentation",)
    num_old = 0

    def check(self, protocol: Protocol) -> None:
        """Refuse what has no background, and new rows that start as shares of it."""
        check_background(self, protocol)

    def loss(self, adapter, inputs: Tensor, samples: list) -> dict[str, Tensor]:
        """All terms of one iteration, with frozen statistics after the first step."""
        if self.num_old:
            freeze_statistics(adapter.network)
        return super().loss(adapter, inputs, samples)


class SigmoidRows(SigmoidMethod):
    r"""Trains a sigmoid for each foreground class; a pixel of none of them is background.

    Row 0 of the classifier, the background's, is zero: its logit is 0, that of probability 1/2. So
    the network's own prediction, the greatest logit, is background where no sigmoid exceeds 1/2.
    No loss reads this row, so it stays zero. At the start of a step row 0 is subtracted from the
    trained rows (:func:`subtract_background`), so a step 0 that another method trained with a
    softmax keeps its predictions.

    :func:`~vdfd_seg.losses.sigmoid_cross_entropy` over the step's classes, a mean over labelled
    pixels, replaces the config's loss of the main head; auxiliary heads keep theirs.

    Args:
        num_views: Augmented views of an image.
        pos_weight: :math:`\beta`.
    """

    pos_weight: float = positive(1.0)

    @property
    def first(self) -> int:
        """The first class of the step that has a sigmoid."""
        return max(self.num_old, 1)

    def before_task(self, context: TaskContext) -> None:
        """Make the background's row zero, and cache the outputs."""
        self.num_old = context.num_old
        subtract_background(context.adapter, self.num_old)
        if context.step:
            self.cache_outputs(context)

    def task_loss(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The loss of the step's classes, and those of the auxiliary heads."""
        labels = adapter.labels(samples)
        logits = adapter.upsample(outputs.logits[:, self.first :], labels)
        pixels = sigmoid_cross_entropy(logits, labels, self.first, self.pos_weight)
        loss = self.averaged(adapter, pixels, labels, samples)
        return {"decode.loss_mbce": loss, **adapter.auxiliary_losses(outputs, samples)}

    def averaged(self, adapter, pixels: Tensor, labels: Tensor, samples: list) -> Tensor:
        """The mean of the pixels' losses ``(N, H, W)``; default over labelled ones."""
        return mean_where(pixels, labels != IGNORE_INDEX)
