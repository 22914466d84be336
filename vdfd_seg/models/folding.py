"""Batch norms as a part of the convolutions before them, in networks that only run forward."""

import copy
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from mmcv.cnn.bricks.wrappers import Conv2d
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

# A subclass that computes something else (weights standardised, an activation in the norm) does
# not fold: what counts is the forward itself.
_CONVOLUTIONS = (nn.Conv2d.forward, Conv2d.forward)
_NORMS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)


def foldable(conv: Any, norm: Any) -> bool:
    """Whether a batch norm's work on the outputs of a convolution could be the convolution's."""
    return (
        isinstance(conv, nn.Conv2d)
        and type(conv).forward in _CONVOLUTIONS
        # Under a parametrisation the weight is no parameter.
        and conv._parameters.get("weight") is not None
        and isinstance(norm, _BatchNorm)
        and type(norm).forward in _NORMS
        and norm.affine
        and norm.track_running_stats
        and norm.num_features == conv.out_channels
    )


@torch.no_grad()
def fold_batch_norms(network: nn.Module, run: Callable[[nn.Module], Tensor]) -> nn.Module:
    r"""A frozen network in evaluation mode whose batch norms cost nothing.

    Where a batch norm follows a convolution, the convolution takes the weights and the bias

    .. math:: \frac{\gamma}{\sigma} W, \qquad \beta + \frac{\gamma}{\sigma} (b - \mu)

    and the batch norm becomes the identity. What follows what is seen in a forward pass, so it does
    not depend on how the network is written.

    Args:
        network: The network. It stays as it is.
        run: Runs it, or a copy of it, on some images; gives its scores.

    Returns:
        A copy, whose scores differ from those of the network by rounding. The network itself where
        they differ by more, because something else reads the output of a convolution too.
    """
    expected, pairs = _followed(network, run)
    folded = copy.deepcopy(network)
    for conv_name, norm_name in pairs:
        conv: Any = folded.get_submodule(conv_name)
        norm: Any = folded.get_submodule(norm_name)
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
            norm.bias,
        )  # fmt: skip
        owner, _, attribute = norm_name.rpartition(".")
        setattr(folded.get_submodule(owner), attribute, nn.Identity().eval())
    folded.requires_grad_(False)
    # Wide enough for the ten bits of TF32, through a hundred layers.
    near = 1e-2 * expected.abs().max().item()
    return folded if torch.allclose(run(folded), expected, rtol=0, atol=near) else network


def _followed(
    network: nn.Module, run: Callable[[nn.Module], Tensor]
) -> tuple[Tensor, list[tuple[str, str]]]:
    """The scores, and names of convolutions and of the batch norms that take what they give."""
    made: dict[int, tuple[Callable[[], Tensor | None], int, str]] = {}
    pairs: list[tuple[str, str]] = []
    passes: Counter[str] = Counter()
    names = {module: name for name, module in network.named_modules()}

    def convolved(conv, inputs, maps):
        passes[names[conv]] += 1
        made[id(maps)] = weakref.ref(maps), maps._version, names[conv]

    def normalises(norm, inputs):
        passes[names[norm]] += 1
        alive, version, name = made.get(id(inputs[0]), (lambda: None, 0, ""))
        # The same tensor, and not changed in place since.
        unchanged = alive() is inputs[0] and inputs[0]._version == version
        if unchanged and foldable(network.get_submodule(name), norm):
            pairs.append((name, names[norm]))

    handles = [
        module.register_forward_hook(convolved)
        if isinstance(module, nn.Conv2d)
        else module.register_forward_pre_hook(normalises)
        for module in names
        if isinstance(module, (nn.Conv2d, _BatchNorm))
    ]
    try:
        scores = run(network)
    finally:
        for handle in handles:
            handle.remove()
    # A layer that runs twice may be followed by two others.
    return scores, [pair for pair in pairs if passes[pair[0]] == passes[pair[1]] == 1]
