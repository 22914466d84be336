"""What a continual-learning method sees of an mmsegmentation network."""

import torch
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from mmseg.models.utils import resize
from torch import Tensor, nn

from vdfd_seg.errors import InputError
from vdfd_seg.losses import TaskAwareLoss, UnbiasedCrossEntropyLoss
from vdfd_seg.models.adapters.head_losses import head_losses
from vdfd_seg.models.adapters.outputs import Outputs
from vdfd_seg.models.growth import class_rows, classes_first, grow


def _heads(network: EncoderDecoder, key: str) -> dict[str, BaseDecodeHead]:
    """Heads by name; of a cascade's main one all stages, each of which takes the last's logits."""
    head = getattr(network, key, None)
    if isinstance(head, nn.ModuleList):
        return {f"{key}.{i}": each for i, each in enumerate(head)}
    return {} if head is None else {key: head}


def _forward(network: EncoderDecoder, inputs: Tensor, auxiliary=None) -> Outputs:
    """One forward pass through the main head, and ``auxiliary`` ones; None for its logits alone."""
    features = network.extract_feat(inputs)
    *earlier, head = _heads(network, "decode_head").values()
    scores: list[Tensor] = []
    for stage in earlier:
        scores.append(stage(features, *scores[-1:]))
    seen: dict[nn.Module, Tensor] = {}
    linear = getattr(head, "conv_seg", None)
    layers = [layer for layer in (head.dropout, linear) if layer is not None and linear is not None]
    handles = [
        layer.register_forward_pre_hook(lambda layer, arguments: seen.update({layer: arguments[0]}))
        for layer in layers
    ]
    try:
        logits = head(features, *scores[-1:])
    finally:
        for handle in handles:
            handle.remove()
    others = () if auxiliary is None else (*scores, *(each(features) for each in auxiliary))
    taken = [seen[layer] for layer in layers] or [logits.new_empty(0)]
    return Outputs(inputs, taken[-1], logits, logits, _as_tuple(features), others, taken[0])


def _as_tuple(maps) -> tuple[Tensor, ...]:
    """Maps, of backbones that give pairs of a map and a token (DPT's) the maps alone."""
    each = maps if isinstance(maps, (tuple, list)) else (maps,)
    return tuple(one[0] if isinstance(one, (tuple, list)) else one for one in each)


class SegmentationAdapter:
    """Features, logits, labels, classifier and losses of an encoder-decoder.

    Args:
        network: An ``EncoderDecoder`` or ``CascadeEncoderDecoder`` of mmsegmentation.

    Attributes:
        heads: Every head by its name in the network.
        head: The main one; of a cascade the last stage.
        auxiliary: The others, by name: earlier stages, then auxiliary heads. They are trained on
            the task's labels, and methods distil none of them.
        rows: Names of the parameters with one row a class.

    Raises:
        InputError: For another kind of segmentor, or a head with a loss or a classifier of its own.
    """

    problem = "segmentation"

    def __init__(self, network: nn.Module):
        if not isinstance(network, EncoderDecoder):
            raise InputError(
                f"model type {type(network).__name__} is not supported: vdfd_seg trains "
                f"EncoderDecoder networks."
            )
        self.network = network
        stages, self._apart = _heads(network, "decode_head"), _heads(network, "auxiliary_head")
        self.heads = {**stages, **self._apart}
        self._main, self.head = list(stages.items())[-1]
        self.auxiliary = {key: each for key, each in self.heads.items() if each is not self.head}
        for head in self.heads.values():
            if type(head).loss not in (BaseDecodeHead.loss, BaseCascadeDecodeHead.loss):
                raise InputError(
                    f"the head {type(head).__name__} computes a loss of its own and is not "
                    f"supported; use a head such as ASPPHead or FCNHead."
                )
        self.rows = tuple(
            f"{key}.{row}" for key, head in self.heads.items() for row in class_rows(head)
        )

    def begin(self, num_hidden: int, sees_old: bool = False, old_heads: bool = False) -> None:
        """Tell the losses of every head how many classes the labels hide.

        The others are not used: labels hide the same in all images, and a head's rows train
        together.
        """
        for module in self.network.modules():
            if isinstance(module, TaskAwareLoss):
                module.num_hidden = num_hidden

    def use_unbiased_loss(self) -> None:
        """Give the main head the unbiased cross-entropy in place of its plain one.

        Every stage of a cascade gets it: what the earlier ones forget, the last cannot use.

        Raises:
            InputError: For a loss that is neither, or has options that the unbiased one has not.
        """
        for head in _heads(self.network, "decode_head").values():
            several = isinstance(head.loss_decode, nn.ModuleList)
            losses = [
                _unbiased(loss) for loss in (head.loss_decode if several else [head.loss_decode])
            ]
            head.loss_decode = nn.ModuleList(losses) if several else losses[0]

    def load(self, state: dict[str, Tensor], num_old: int, init: str = "random") -> None:
        """Load the weights of a step of ``num_old`` classes, see :func:`vdfd_seg.models.grow`."""
        grow(self.network, state, self.rows, num_old, init)

    def outputs(self, inputs: Tensor) -> Outputs:
        """One forward pass in the network's current mode."""
        auxiliary = self._apart.values() if self.network.training else None
        return _forward(self.network, inputs, auxiliary)

    def logits(self, inputs: Tensor) -> Tensor:
        """(N, C, h, w) scores at the head's resolution."""
        return self.network(inputs, mode="tensor")

    def old_outputs(self, network: nn.Module, outputs: Outputs) -> Outputs:
        """Outputs of the network of the step before for the same images, without gradients."""
        with torch.no_grad():
            return _forward(network, outputs.inputs)

    def body(self, outputs: Outputs) -> tuple[Tensor, ...]:
        """The maps of the backbone that the main head takes as input (before its ASPP).

        DeepLabV3+ lacks the low-level map here: its head fetches it on its own.
        """
        return _as_tuple(self.head._transform_inputs(outputs.features))

    def at_labels(self, logits: Tensor, samples: list) -> Tensor:
        """Logits at the resolution of the labels."""
        return self.upsample(logits, self.labels(samples))

    def task_loss(
        self, outputs: Outputs, samples: list, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The losses that mmsegmentation's heads compute, from one forward pass.

        Args:
            outputs: Of that pass.
            samples: The data samples, with labels.
            weights: (N,) of each image; None where all count alike.
        """
        losses = head_losses(self.head, outputs.logits, samples, weights)
        losses = {f"decode.{name}": value for name, value in losses.items()}
        return {**losses, **self.auxiliary_losses(outputs, samples, weights)}

    def auxiliary_losses(
        self, outputs: Outputs, samples: list, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses of the auxiliary heads, for a method with its own loss of the main head."""
        losses = {}
        for (key, head), logits in zip(self.auxiliary.items(), outputs.auxiliary, strict=True):
            prefix = key.replace("auxiliary", "aux").replace("_head", "").replace(".", "_")
            for name, value in head_losses(head, logits, samples, weights).items():
                losses[f"{prefix}.{name}"] = value
        return losses

    def labels(self, samples: list) -> Tensor:
        """(N, H, W) labels of the batch."""
        return torch.cat([sample.gt_sem_seg.data for sample in samples])

    def upsample(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits at the labels' resolution, as the task's loss sees them."""
        corners = self.head.align_corners
        return resize(logits, labels.shape[-2:], mode="bilinear", align_corners=corners)

    def prototypes(self) -> Tensor:
        """Rows (C, d) that stand for the classes: the classifier's, or the classes' embeddings."""
        first, *_ = class_rows(self.head)
        return classes_first(self.head.get_parameter(first)).flatten(1)

    def classifier(self) -> tuple[Tensor, Tensor | None]:
        """Rows (C, d) and biases (C,) of the classifier of the main head.

        Raises:
            InputError: For a head without a linear one.
        """
        layer = self.network.get_submodule(self.classifier_name)
        return layer.weight.flatten(1), layer.bias

    @property
    def classifier_name(self) -> str:
        """Name of the classifier's layer."""
        if not hasattr(self.head, "conv_seg"):
            raise InputError(
                f"the head {type(self.head).__name__} has no linear classifier, which the method "
                f"needs; choose a method that needs none, for instance MiB."
            )
        return f"{self._main}.conv_seg"

    @property
    def excluded_prefixes(self) -> tuple[str, ...]:
        """Prefixes of what does not feed the main logits, or has one row a class."""
        return (*self.rows, *self._apart)


def _unbiased(loss: nn.Module) -> nn.Module:
    if isinstance(loss, TaskAwareLoss):
        return loss
    kind = type(loss).__name__
    if type(loss) is not CrossEntropyLoss or loss.use_sigmoid or loss.class_weight is not None:
        raise InputError(
            f"model.decode_head.loss_decode is {kind}, and the method replaces a CrossEntropyLoss "
            f"without use_sigmoid and class_weight by the unbiased one: give such a one, or keep "
            f"yours with method.unbiased_loss=False."
        )
    return UnbiasedCrossEntropyLoss(loss.loss_weight, loss.loss_name, loss.avg_non_ignore)
