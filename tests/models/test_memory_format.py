"""Networks channels last, and the convolutions that oneDNN differentiates wrongly so."""

import copy
import os

import pytest
import torch
from torch import nn

from tests.python_process import run_python
from vdfd_seg.models.memory_format import lay_out


@pytest.mark.parametrize("processor", ["SSE41", "AVX2", "AVX512_CORE"])
def test_gradients_on_other_processors(processor):
    """On as much of this processor; with glibc's check of memory where its library is there."""
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "GLIBC_TUNABLES": "glibc.malloc.check=3"}
    known = {"ONEDNN_MAX_CPU_ISA": processor, "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    done = run_python("-m", "tests.train_step", env={**os.environ, **checked, **known})
    assert done.returncode == 0, done.stderr
    # How many strided 1x1 convolutions each network has.
    assert done.stdout.splitlines()[-4:] == ["tiny 2", "digits 3", "digitscenes 0", "narrow 3"]


def layer(channels=4, out=6, kernel=1, **settings):
    torch.manual_seed(0)
    return nn.Conv2d(channels, out, kernel, **{"stride": 2, **settings})


def given(network, inputs):
    """What the convolution is given, and its output."""
    found = []
    handle = network.register_forward_hook(lambda _, args, output: found.append(args[0]))
    output = network(inputs)
    handle.remove()
    return found[0], output


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("stride", [2, 3, (1, 2), (4, 1)])
@pytest.mark.parametrize("size", [(12, 12), (7, 8), (1, 2)])
def test_the_same_function(stride, size, last):
    plain = layer(stride=stride)
    laid_out = lay_out(copy.deepcopy(plain))
    form = torch.channels_last if last else torch.contiguous_format
    images = torch.randn(2, 4, *size).to(memory_format=form)
    first, second = (images.clone().requires_grad_() for _ in range(2))
    expected, found = plain.double()(first.double()), laid_out(second)
    torch.testing.assert_close(found, expected.float())
    expected.square().sum().backward()
    found.square().sum().backward()
    torch.testing.assert_close(second.grad, first.grad)
    for name, parameter in plain.named_parameters():
        found_gradient = laid_out.get_parameter(name).grad
        torch.testing.assert_close(found_gradient, parameter.grad.float())


def test_drops_what_the_stride_never_reads_where_weights_get_a_gradient():
    images, network = torch.randn(1, 4, 8, 9), lay_out(layer())
    assert given(network, images)[0].shape == (1, 4, 7, 9)
    assert given(lay_out(layer(stride=(1, 4))), images)[0].shape == (1, 4, 8, 9)
    with torch.no_grad():
        assert given(network, images)[0] is images
    assert given(network.requires_grad_(False), images)[0] is images


@pytest.mark.parametrize(
    "settings",
    [{"channels": 16}, {"kernel": 3}, {"padding": 1}, {"groups": 2}, {"stride": 1}],
    ids=str,
)
def test_other_convolutions_get_their_inputs(settings):
    images = torch.randn(1, settings.get("channels", 4), 8, 8)
    assert given(lay_out(layer(**settings)), images)[0] is images


def test_modules_stay_as_they_are():
    plain = nn.Sequential(layer(), nn.Sequential(layer(6)))
    network = lay_out(lay_out(copy.deepcopy(plain)))
    assert [type(part) for part in network.modules()] == [type(part) for part in plain.modules()]
    assert str(network) == str(plain)
    assert list(network.state_dict()) == list(plain.state_dict())
    images = torch.randn(1, 4, 8, 8)
    for found in (network, copy.deepcopy(network)):
        assert len(found[1][0]._forward_pre_hooks) == 1
        assert given(found[1][0], given(found[0], images)[1])[0].shape == (1, 6, 3, 3)


def test_compiled_and_exported():
    images, network = torch.randn(2, 4, 8, 8), lay_out(layer())
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(images), network(images))
    free = torch.export.Dim.DYNAMIC
    exported = torch.export.export(
        network.requires_grad_(False), (images,), dynamic_shapes=({0: free, 2: free, 3: free},)
    )
    other = torch.randn(3, 4, 11, 14)
    torch.testing.assert_close(exported.module()(other), network(other))
