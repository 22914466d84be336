"""Two branches: how they combine, what trains, and that folding changes no output."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.methods.rcil.compensation import CompensatedConv, branches, compensate, fold

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


def by_hand(branch, maps):
    """A branch in evaluation, in double precision."""
    conv, norm = copy.deepcopy(branch.conv).double(), branch.norm
    shape = (1, -1, 1, 1)
    maps = conv(maps.double()) - norm.running_mean.double().view(shape)
    maps = maps / (norm.running_var.double() + norm.eps).sqrt().view(shape)
    return norm.weight.double().view(shape) * maps + norm.bias.double().view(shape)


class TestCombination:
    def test_evaluation_is_the_mean(self):
        made, maps = layer().eval(), torch.randn(2, 6, 5, 5)
        expected = (by_hand(made.first, maps) + by_hand(made.second, maps)) / 2
        assert torch.allclose(made(maps).double(), expected, atol=1e-5)
        assert torch.equal(made(maps), made(maps))

    def test_training_takes_one_branch_or_the_mean_of_a_whole_channel(self):
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


class TestStart:
    @pytest.mark.parametrize(("mean", "frozen"), [(0.1, False), (0.0, True)])
    def test_both_begin_with_weights_that_were_trained_or_are_frozen(self, mean, frozen):
        conv, norm = nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6)
        norm.running_mean += mean
        made = CompensatedConv(conv, norm, "bn", frozen)
        assert torch.equal(made.first.conv.weight, made.second.conv.weight)

    def test_weights_that_were_not_trained_are_drawn_for_each(self):
        """As in the released ASPP, whose two lists of convolutions are drawn one after another."""
        owner = ConvModule(64, 64, 3, norm_cfg={"type": "BN"})
        made = CompensatedConv(owner.conv, owner.norm, "bn", frozen=False)
        one, two = made.first.conv.weight, made.second.conv.weight
        assert two.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)
        assert two.std().item() == pytest.approx(one.std().item(), rel=0.05)
        assert abs(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1]) < 0.03


class TestFolding:
    @pytest.mark.parametrize("frozen", [False, True])
    @pytest.mark.parametrize("kind", CONVOLUTIONS)
    def test_outputs_are_equal(self, kind, frozen):
        made, maps = layer(kind, frozen), torch.randn(2, 6, 9, 9)
        made(maps)
        made.eval()
        expected = made(maps)
        shapes = {k: v.shape for k, v in made.first.state_dict().items()}
        branch = made.folded()
        assert {k: v.shape for k, v in branch.state_dict().items()} == shapes
        assert torch.allclose(branch.norm(branch.conv(maps)), expected, atol=1e-5)

    def test_branches_that_are_equal_come_back_bit_by_bit(self):
        made = layer(distinct=False)
        with torch.no_grad():
            for branch in (made.first, made.second):
                branch.norm.running_mean.fill_(0.1)
                branch.norm.weight.fill_(0.7)
        before = copy.deepcopy(made.first.state_dict())
        after = made.folded().state_dict()
        assert all(torch.equal(value, after[name]) for name, value in before.items())

    def test_statistics_are_those_of_the_folded_convolution(self):
        """So that it gives nearly the same in training mode, where batches are normalised."""
        made, maps = layer(), 2 + 3 * torch.randn(32, 6, 8, 8)
        for _ in range(200):
            made(maps)
        made.eval()
        expected = made(maps)
        branch = made.folded()
        branch.train()
        assert torch.allclose(branch.norm(branch.conv(maps)), expected, atol=0.02)

    def test_gradient_flags_are_the_networks_own(self):
        made = layer(frozen=True)
        assert not any(p.requires_grad for p in made.first.parameters())
        assert all(p.requires_grad for p in made.folded().parameters())
        fixed = nn.BatchNorm2d(6).requires_grad_(False)
        made = CompensatedConv(nn.Conv2d(6, 6, 3), fixed, "bn", True)
        branch = made.folded()
        assert branch.conv.weight.requires_grad
        assert not branch.norm.weight.requires_grad


class TestFrozen:
    def test_first_branch_does_not_move_and_is_in_evaluation_in_every_mode(self):
        made = layer(frozen=True).train()
        before = copy.deepcopy(made.state_dict())
        optimizer = torch.optim.SGD(made.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            made(torch.randn(2, 6, 5, 5)).square().sum().backward()
            optimizer.step()
        for name, value in made.state_dict().items():
            assert torch.equal(value, before[name]) == name.startswith("first"), name
        for mode in (False, True):
            made.train(mode)
            assert not made.first.norm.training
            assert made.second.norm.training == mode


SETTINGS = [
    {"backbone": "resnet"},
    {"backbone": "mobilenet"},
    {"backbone": "mobilenet", "head": "DepthwiseSeparableASPPHead"},
    {"backbone": "resnet", "auxiliary": 1},
]


class TestNetwork:
    @pytest.fixture(params=SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
    def network(self, request, tiny_network):
        network = tiny_network(3, **request.param)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2)
        return network.eval()

    def test_neither_compensating_nor_folding_changes_an_output(self, network):
        maps = torch.randn(2, 3, 32, 32)
        plain = copy.deepcopy(network)
        compensate(network, frozen=False)
        assert torch.allclose(network(maps), plain(maps), atol=1e-5)
        with torch.no_grad():
            for made in branches(network).values():
                for parameter in made.second.parameters():
                    parameter.add_(0.1 * torch.randn_like(parameter))
        network.train()
        for _ in range(3):
            network(maps)
        network.eval()
        expected = network(maps)
        assert not torch.allclose(expected, plain(maps), atol=1e-3)
        fold(network)
        assert torch.allclose(network(maps), expected, atol=1e-5)
        assert [(n, type(m)) for n, m in network.named_modules()] == [
            (n, type(m)) for n, m in plain.named_modules()
        ]
        plain.load_state_dict(network.state_dict())
        assert torch.equal(plain(maps), network(maps))

    def test_is_refused_where_there_is_nothing_to_compensate(self, tiny_network):
        network = tiny_network(3).requires_grad_(False)
        with pytest.raises(InputError, match="method RCIL: the backbone ResNetV1c"):
            compensate(network, frozen=False)

    def test_a_norm_called_elsewhere_is_refused(self, tiny_network):
        class Before(nn.Module):
            """A pre-activation block."""

            def __init__(self):
                super().__init__()
                self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
                self.bn1 = nn.BatchNorm2d(3)

            def forward(self, maps):
                return self.conv1(F.relu(self.bn1(maps)))

        network = tiny_network(3)
        network.backbone.block = Before()
        compensate(network, frozen=False)
        with pytest.raises(InputError, match="'backbone.block.bn1' right after its convolution"):
            network.backbone.block(torch.randn(2, 3, 4, 4))
