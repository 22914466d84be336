"""Batch norms folded into convolutions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vdfd_seg.models.folding import fold_batch_norms

IMAGES = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """A convolution, maybe its batch norm, another convolution and its batch norm."""

    def __init__(self, between="nothing"):
        super().__init__()
        torch.manual_seed(0)
        self.between = between
        # Registered in another order than they run.
        self.second_norm, self.norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.second = nn.Conv2d(4, 4, 3, groups=2)
        for norm in (self.norm, self.second_norm):
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(norm.running_var, 0.5, 2)
        self.eval().requires_grad_(False)

    def forward(self, images):
        maps = self.conv(images)
        if self.between == "activation":
            maps = F.relu_(maps)
        normalised = self.norm(maps)
        if self.between == "reader":
            normalised = normalised + maps
        if self.between == "twice":
            normalised = normalised + self.norm(self.conv(-images))
        return self.second_norm(self.second(normalised))


def norms_of(network):
    return [name for name, each in network.named_modules() if isinstance(each, nn.BatchNorm2d)]


def folded(network):
    return fold_batch_norms(network, lambda each: each(IMAGES))


def test_equals_the_network_and_leaves_it_alone():
    network = Network()
    before, state = network(IMAGES), {k: v.clone() for k, v in network.state_dict().items()}
    lighter = folded(network)
    assert norms_of(lighter) == []
    torch.testing.assert_close(lighter(IMAGES), before)
    assert not any(p.requires_grad for p in lighter.parameters())
    assert torch.equal(network(IMAGES), before)
    assert all(torch.equal(network.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize("between", ["activation", "twice"])
def test_only_what_follows_a_convolution_at_once_is_folded(between):
    network = Network(between)
    lighter = folded(network)
    assert norms_of(lighter) == ["norm"]
    torch.testing.assert_close(lighter(IMAGES), network(IMAGES))


def test_the_network_stays_where_its_scores_would_change():
    network = Network("reader")
    assert folded(network) is network


class NormalisedAndActivated(nn.BatchNorm2d):
    """A batch norm with an activation."""

    def forward(self, maps):
        return F.relu(super().forward(maps))


def test_a_norm_that_computes_something_else_stays():
    network = Network()
    network.norm.__class__ = NormalisedAndActivated
    lighter = folded(network)
    assert norms_of(lighter) == ["norm"]
    torch.testing.assert_close(lighter(IMAGES), network(IMAGES))


def test_layout_stays():
    network = Network().to(memory_format=torch.channels_last)
    assert folded(network).second.weight.is_contiguous(memory_format=torch.channels_last)
