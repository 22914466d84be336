"""Finding convolutions and the batch norms that follow them."""

import re
from collections.abc import Iterator
from typing import Any

from mmcv.cnn import ConvModule
from mmseg.models import EncoderDecoder
from mmseg.models.decode_heads.aspp_head import ASPPModule
from torch import nn

from vdfd_seg.models.folding import foldable

BatchNorm = Any
"""A batch norm with weights and statistics, which torch's annotations leave open."""

Pair = tuple[str, nn.Module, str, str]


def conv_norm_pairs(network: EncoderDecoder) -> Iterator[Pair]:
    """The pairs that RCIL compensates.

    As in the paper these are the 3x3 convolutions of the backbone's blocks, and all convolutions
    of the main head's ASPP except that of the pooled image. A batch norm must follow, and the
    weights must train. For networks that the paper did not have:

    - The backbone's own layers are its stem; everything else in it is a block.
    - Depthwise, grouped, strided and dilated convolutions count. Of a separable one the depthwise
      part is the 3x3; in an ASPP its 1x1 part counts as well.
    - Other heads, auxiliary ones, and what follows an ASPP have no pair.
    - A pair is a ``ConvModule``, or two attributes of a module, ``convX`` with ``bnX`` or
      ``normX``. Those in a plain ``Sequential`` (ResNetV1c's stem, shortcuts) are left alone.

    Yields:
        Name of the module that owns the pair, that module, and its attributes with the
        convolution and with the batch norm.
    """
    for name, owner in network.backbone.named_modules():
        stem = "." not in name if isinstance(owner, ConvModule) else not name
        if not stem:
            yield from _pairs_of(f"backbone.{name}", owner, (3, 3))
    for name, part in network.decode_head.named_modules():
        if isinstance(part, ASPPModule):
            for inner, owner in part.named_modules():
                yield from _pairs_of(f"decode_head.{name}.{inner}", owner, None)


def _pairs_of(name: str, owner: nn.Module, kernel: tuple | None) -> Iterator[Pair]:
    for conv_name, norm_name in _attributes(owner):
        conv: Any = owner._modules[conv_name]
        norm = owner._modules.get(norm_name)
        if (
            foldable(conv, norm)
            and kernel in (None, conv.kernel_size)
            and conv.weight.requires_grad
        ):
            yield name, owner, conv_name, norm_name


def _attributes(owner: nn.Module) -> Iterator[tuple[str, str]]:
    if isinstance(owner, ConvModule):
        if owner.with_norm and "conv,norm" in ",".join(owner.order):
            yield "conv", owner.norm_name
        return
    for conv_name in list(owner._modules):
        found = re.fullmatch(r"conv(\w*)", conv_name)
        if not found:
            continue
        for kind in ("bn", "norm"):
            if f"{kind}{found[1]}" in owner._modules:
                yield conv_name, f"{kind}{found[1]}"
                break
