"""Train networks for two iterations and compare their weight gradients: run by test_memory_format.

Strided 1x1 convolutions of few channels are in all of them: a wrong gradient of oneDNN's is
found by its definition, a write past its memory by glibc's heap check.
"""

import torch
from mmengine.config import Config
from torch import nn

from tests.tiny import tiny_config
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.utils.paths import configs_dir


def config(name):
    return Config.fromfile(configs_dir() / "benchmarks" / f"{name}.py").model


def networks():
    """Names of networks, their configs, and the size of their images."""
    tiny = tiny_config("unused")["model"]
    tiny["backbone"].update(strides=(1, 2, 2), dilations=(1, 1, 1))
    yield "tiny", tiny, 32
    yield "digits", config("digits-class_5"), 8
    yield "digitscenes", config("digitscenes_4-3"), 64
    # With AVX-512 the fault needs larger images.
    model = config("digitscenes_4-3")
    model.backbone.update(base_channels=8, stem_channels=8, strides=(2, 2, 2), dilations=(1, 1, 1))
    model.decode_head.update(in_channels=32)
    yield "narrow", model, 256


def record(layer, inputs, output):
    """Compute the weight gradient by its definition in the backward pass."""
    down, right = layer.stride
    read = inputs[0].detach()[..., ::down, ::right].double()

    def add(gradient):
        layer.expected += torch.einsum("nohw,nihw->oi", gradient.double(), read)

    output.register_hook(add)


def train(name, model, size):
    torch.manual_seed(0)
    network, _ = build_network(model, 2)
    network.train()
    strided = [
        layer
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.stride != (1, 1)
    ]
    for layer in strided:
        layer.register_forward_hook(record)
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    for last in (False, True):
        # Whatever the layout that a user's pipeline gives.
        form = torch.channels_last if last else torch.contiguous_format
        images = torch.randn(2, 3, size, size).to(memory_format=form)
        for layer in strided:
            layer.expected = 0
        optimizer.zero_grad()
        if hasattr(network, "decode_head"):
            scores = network.decode_head(network.extract_feat(images))
        else:
            scores = network(images)
        scores.square().mean().backward()
        for layer in strided:
            expected, found = layer.expected, layer.weight.grad.flatten(1)
            assert (found - expected).abs().max() <= 1e-4 * expected.abs().max(), (name, layer)
        optimizer.step()
        junk = [torch.randn(7 * size + 1) for size in range(50)]
        del junk, scores
    print(name, len(strided))


if __name__ == "__main__":
    set_up()
    torch.set_num_threads(1)
    for described in networks():
        train(*described)
