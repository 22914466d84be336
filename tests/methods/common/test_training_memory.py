"""Bytes that hang on a method, counted by hand."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from vdfd_seg.methods import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.training_memory import held_bytes


@pytest.fixture
def network():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@dataclass
class Kept:
    tensor: torch.Tensor


def closure(tensor):
    return lambda: tensor


@pytest.mark.parametrize(
    ("wrap", "count"),
    [
        (lambda t: [[t], (t.clone(),), {"a": {"b": t.clone()}}, {t.clone()}], 160),
        (Kept, 40),
        (closure, 40),
        (lambda t: functools.partial(max, t), 40),
        (lambda t: nn.ParameterList([t]), 40),
        # A view keeps all that it looks into.
        (lambda t: [t[:2], t.view(2, 5)], 40),
        (lambda t: [t, t.clone()], 80),
        (lambda t: (t + 1).to_sparse(), 10 * (8 + 4)),
        (lambda t: np.zeros((4, 4))[1:], 128),
        (lambda t: TaskContext(None, 0, t, {"a": t}, None), 0),
    ],
)
def test_whatever_hangs_on_it_counts_once(network, wrap, count):
    method = Method()
    # 40 bytes.
    method.something = wrap(torch.zeros(10))
    assert held_bytes(method, network) == count


def test_buffers_parameters_and_an_optimiser_s_state(network):
    method = Method()
    method.register_buffer("anchor", torch.zeros(10))
    method.own = nn.Linear(4, 1, bias=False)
    method.optimizer = torch.optim.Adam(method.own.parameters())
    method.own(torch.ones(1, 4)).sum().backward()
    # Without the gradients.
    assert held_bytes(method, network) == 40 + 16
    method.optimizer.step()
    # Two moments, and a step of 4 bytes.
    assert held_bytes(method, network) == 40 + 16 + 32 + 4


def test_neither_the_trained_network_nor_what_looks_into_it_counts_and_cycles_end(network):
    method = Method()
    method.references = dict(network.named_parameters())
    method.hidden = [network, network[0].weight.detach()[0]]
    method.hidden.append(method.hidden)
    assert held_bytes(method, network) == 0
    method.copies = [p.detach().clone() for p in network.parameters()]
    assert held_bytes(method, network) == 4 * (6 + 2 + 2 + 2)
