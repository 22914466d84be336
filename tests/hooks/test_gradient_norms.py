"""Gradients of single terms: by hand, next to training, and through checkpointed layers."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vdfd_seg.hooks.gradient_norms import term_gradients


class Learner(nn.Module):
    """A network of two weights, and a method with one."""

    def __init__(self):
        super().__init__()
        self.network = nn.Linear(2, 1, bias=False)
        self.network.weight.data = torch.tensor([[3.0, -4.0]])
        self.method = nn.Linear(1, 1, bias=False)
        self.method.weight.data = torch.tensor([[2.0]])

    @property
    def weight(self):
        return self.network.weight

    @property
    def own(self):
        return self.method.weight.sum()


@pytest.fixture
def learner():
    return Learner()


def test_norms_by_hand(learner):
    terms = {
        # Twice the weights: 2 * 5.
        "loss_square": learner.weight.square().sum(),
        # (1, 1) times the method's 2.
        "decode.loss_scaled": learner.weight.sum() * learner.own,
        "loss_own": learner.own.square(),
        "accuracy": learner.weight.sum(),
        "loss_constant": torch.ones(()),
        "loss": learner.weight.sum(),
    }
    found = term_gradients(learner, terms)
    assert list(found) == ["loss_square", "decode.loss_scaled", "loss_own"]
    norms, finite = zip(*found.values(), strict=True)
    assert norms == pytest.approx([10.0, 2 * 2**0.5, 0.0])
    assert finite == (True, True, True)


def test_frozen_parameters_do_not_count(learner):
    first = nn.Parameter(torch.ones(1))
    learner.network.register_parameter("first", first)
    learner.weight.requires_grad_(False)
    ((norm, _),) = term_gradients(learner, {"loss": first, "loss_a": (3 * first).sum()}).values()
    assert norm == pytest.approx(3.0)


def test_infinite_gradient_of_a_finite_value(learner):
    zero = (learner.weight.sum() + 1).sqrt()
    assert zero == 0
    terms = {"loss_root": zero, "loss_fine": learner.weight.sum()}
    found = term_gradients(learner, terms)
    assert [finite for _, finite in found.values()] == [False, True]
    # Large ones are finite.
    term = (learner.weight * torch.tensor([3e30, 4e30])).sum()
    assert term_gradients(learner, {"loss_a": term})["loss_a"] == (pytest.approx(5e30), True)
    # Of the method's own parameters too.
    root = (learner.own - 2).sqrt()
    assert term_gradients(learner, {"loss_root": root})["loss_root"] == (0.0, False)


def test_scale_saves_from_underflow_and_is_divided_out(learner):
    # The term is of half precision: a gradient of 1e-9 is 0 in it.
    term = (learner.weight.half().sum() * 1e-4).half() * 1e-5
    assert term_gradients(learner, {"loss": term, "loss_a": term})["loss_a"][0] == 0
    scaled = term_gradients(learner, {"loss_a": term}, scale=2.0**14)["loss_a"][0]
    assert scaled == pytest.approx(2**0.5 * 1e-9, rel=0.05)


class Checkpointed(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))

    def loss(self, inputs):
        return checkpoint(self.network, inputs, use_reentrant=False).square().sum()


def test_neither_gradients_nor_buffers_nor_random_state_change():
    torch.manual_seed(0)
    learner = Checkpointed()
    inputs = torch.randn(5, 3)
    results = []
    for measured in (False, True):
        twin = copy.deepcopy(learner)
        torch.manual_seed(1)
        loss = twin.loss(inputs)
        state, buffers = torch.get_rng_state(), [b.clone() for b in twin.buffers()]
        if measured:
            assert term_gradients(twin, {"loss_a": loss})["loss_a"][0] > 0
            assert torch.equal(torch.get_rng_state(), state)
            assert all(map(torch.equal, twin.buffers(), buffers))
            assert all(p.grad is None for p in twin.parameters())
        loss.backward()
        results.append([p.grad for p in twin.parameters()] + list(twin.buffers()))
    assert all(map(torch.equal, *results))
