"""Memory layout of networks: channels last, where that is safe."""

import torch
from mmseg.models.decode_heads.dm_head import DCM
from torch import Tensor, nn

BLOCK = 16
"""The most input channels that oneDNN takes at a time: 16 with AVX-512, 8 with AVX2."""


def lay_out(network: nn.Module) -> nn.Module:
    """Lay a network out channels last, in place; activations follow its weights.

    Convolutions are faster in this layout, on CPUs and with tensor cores. On CPUs, oneDNN 3.12 has
    a defect in it (its issue 6035): one gradient is wrong, and written past its workspace. It is
    that of the weights of a 1x1 convolution with a stride that divides the image, and with fewer
    input channels than oneDNN's block. Such a convolution is therefore given its input without the
    last rows and columns, which its stride never reads, so that oneDNN takes another
    implementation. Names, types, settings and results of the modules do not change.

    Returns:
        The same network, which may have been laid out already.
    """
    for layer in network.modules():
        if _unsafe(layer) and _drop_unread not in layer._forward_pre_hooks.values():
            layer.register_forward_pre_hook(_drop_unread)
        # DMNet views these maps as if they lay channels first.
        for part in (
            (layer.input_redu_conv, layer.filter_gen_conv) if isinstance(layer, DCM) else ()
        ):
            if _channels_first not in part._forward_hooks.values():
                part.register_forward_hook(_channels_first)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _unsafe(layer: nn.Module) -> bool:
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.padding in ((0, 0), "valid", "same")
        and layer.groups == 1
        and layer.in_channels < BLOCK
    )


def _drop_unread(layer: nn.Conv2d, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
    images = inputs[0]
    if images.device.type != "cpu" or not (layer.weight.requires_grad and torch.is_grad_enabled()):
        return None
    down, right = layer.stride
    rows, columns = images.shape[-2:]
    return (images[..., : rows - (rows - 1) % down, : columns - (columns - 1) % right],)


def _channels_first(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output.contiguous()
