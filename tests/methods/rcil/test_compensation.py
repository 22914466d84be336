"""Two branches: how they combine, what trains, and that folding changes no output."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.methods.rcil.compensation import CompensatedConv, compensate

pytestmark = pytest.mark.processor


CONVOLUTIONS = {
    "plain": dict(kernel_size=3, padding=1, bias=False),
    "bias": dict(kernel_size=3, padding=1, bias=True),
    "depthwise": dict(kernel_size=3, padding=1, groups=6, bias=False),
    "grouped with bias": dict(kernel_size=3, padding=1, groups=3, bias=True),
    "dilated": dict(kernel_size=3, padding=2, dilation=2, bias=False),
    "strided": dict(kernel_size=3, stride=2, padding=1, bias=False),
    "pointwise": dict(kernel_size=1, bias=False),
}


def layer(kind="plain", frozen=False, distinct=True):
    """A layer whose branches have distinct weights and statistics."""
    norm = nn.BatchNorm2d(6)
    # It has seen a batch: else the branches begin with weights of their own.
    norm.running_mean += 0.1
    made = CompensatedConv(nn.Conv2d(6, 6, **CONVOLUTIONS[kind]), norm, "bn", frozen)
    for branch in (made.first, made.second) if distinct else ():
        with torch.no_grad():
            for parameter in branch.parameters():
                parameter.copy_(torch.randn_like(parameter))
            branch.norm.running_mean.normal_()
            branch.norm.running_var.uniform_(0.1, 4)
    return made.train()


def test_training_takes_one_branch_or_the_mean_of_a_whole_channel():
    """Evaluation the mean of both."""
    made, maps = layer(), torch.randn(4, 6, 5, 5)
    one, two = made.first(maps), made.second(maps)
    choices = torch.stack([one, two, (one + two) / 2])
    draws = 500
    # Which of the three each channel of each draw is, (draws, 3, 6).
    hits = torch.stack([
        (made(maps) - choices).abs().amax((1, 3, 4)).lt(1e-5) for _ in range(draws)
    ])  # fmt: skip
    assert (hits.sum(1) == 1).all()
    # Three standard deviations of a third of 3000 channels.
    deviation = (6 * draws * 2 / 9) ** 0.5
    assert (hits.sum((0, 2)) - 2 * draws).abs().max() < 3 * deviation
    # Channels are drawn on their own.
    assert len(hits.flatten(1).unique(dim=0)) > 100
    made.eval()
    assert torch.allclose(made(maps), (made.first(maps) + made.second(maps)) / 2, atol=1e-5)


def test_weights_that_were_not_trained_are_drawn_for_each_branch():
    """As in the released ASPP, whose two lists of convolutions are drawn one after another."""
    owner = ConvModule(64, 64, 3, norm_cfg={"type": "BN"})
    made = CompensatedConv(owner.conv, owner.norm, "bn", frozen=False)
    one, two = made.first.conv.weight, made.second.conv.weight
    assert two.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
    assert two.std().item() == pytest.approx(one.std().item(), rel=0.05)
    assert abs(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]) < 0.03


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_folding_changes_no_output(kind, frozen):
    made, maps = layer(kind, frozen), torch.randn(2, 6, 9, 9)
    made(maps)
    made.eval()
    expected = made(maps)
    shapes = {k: v.shape for k, v in made.first.state_dict().items()}
    branch = made.folded()
    assert {k: v.shape for k, v in branch.state_dict().items()} == shapes
    assert torch.allclose(branch.norm(branch.conv(maps)), expected, atol=1e-5)


def test_statistics_are_those_of_the_folded_convolution():
    """So that it gives nearly the same in training mode, where batches are normalised."""
    made, maps = layer(), 2 + 3 * torch.randn(32, 6, 8, 8)
    for _ in range(200):
        made(maps)
    made.eval()
    expected = made(maps)
    branch = made.folded().train()
    assert torch.allclose(branch.norm(branch.conv(maps)), expected, atol=0.02)


def test_a_folded_branch_trains_what_the_networks_own_trained():
    fixed = nn.BatchNorm2d(6).requires_grad_(False)
    branch = CompensatedConv(nn.Conv2d(6, 6, 3), fixed, "bn", True).folded()
    assert branch.conv.weight.requires_grad
    assert not branch.norm.weight.requires_grad


def test_a_frozen_branch_does_not_move_and_is_in_evaluation_in_every_mode():
    made = layer(frozen=True).train()
    before = copy.deepcopy(made.state_dict())
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    made(torch.randn(2, 6, 5, 5)).square().sum().backward()
    optimizer.step()
    for name, value in made.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("first"), name
    assert not made.first.norm.training and made.second.norm.training


def test_a_network_is_refused_where_there_is_nothing_to_compensate(tiny_network):
    network = tiny_network(3).requires_grad_(False)
    with pytest.raises(InputError, match="method RCIL: the backbone ResNetV1c"):
        compensate(network, frozen=False)


class Before(nn.Module):
    """A pre-activation block."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(3)

    def forward(self, maps):
        return self.conv1(F.relu(self.bn1(maps)))


def test_a_norm_called_elsewhere_is_refused(tiny_network):
    network = tiny_network(3)
    network.backbone.block = Before()
    compensate(network, frozen=False)
    with pytest.raises(InputError, match="'backbone.block.bn1' right after its convolution"):
        network.backbone.block(torch.randn(2, 3, 4, 4))
