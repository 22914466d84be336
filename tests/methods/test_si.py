"""Synaptic intelligence, on losses whose path integral is known."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from vdfd_seg.methods import SI

CURVATURE = torch.tensor([1.0, 3.0, 0.0])
START = torch.tensor([2.0, -1.0, 0.5])


class Toy(nn.Module):
    """A parameter, whose task's loss is half of the curvature times its square."""

    def __init__(self):
        super().__init__()
        self.body = nn.Parameter(START.clone())
        self.heads = nn.Linear(1, 1)

    def loss(self):
        return 0.5 * (CURVATURE * self.body.square()).sum()


@pytest.fixture
def toy():
    """SI before the toy's task; ``importance`` is of the tasks before."""

    def make(importance=None, **options):
        network, method = Toy(), SI(**options)
        adapter = SimpleNamespace(network=network, excluded_prefixes=("heads",))
        carried = {} if importance is None else {"importance": {"body": importance}}
        context = SimpleNamespace(adapter=adapter, carried=carried)
        method.before_task(context)
        return SimpleNamespace(network=network, method=method, adapter=adapter, context=context)

    return make


def descend(step, updates, lr, **settings):
    """Plain descent of the whole loss; returns the path integral by its definition."""
    body = step.network.body
    optimizer = torch.optim.SGD([body], lr=lr, **settings)
    path = torch.zeros(3)
    for _ in range(updates):
        before = body.detach().clone()
        (alone,) = torch.autograd.grad(step.network.loss(), body)
        optimizer.zero_grad()
        penalty = step.method.extra_losses(step.adapter, None, None).values()
        (step.network.loss() + sum(penalty)).backward()
        step.method.before_update(step.adapter)
        optimizer.step()
        step.method.after_update(step.adapter, lr)
        path -= alone * (body.detach() - before)
    return path


@pytest.mark.parametrize("updates", [1, 7])
def test_plain_descent_of_a_quadratic_in_closed_form(toy, updates):
    step, lr = toy(damping=0.3), 0.1
    descend(step, updates, lr)
    ratio = 1 - lr * CURVATURE
    steps = ratio[:2] ** (2 * updates)
    # sum of lr g^2 over t, with g = curvature * start * ratio^t.
    path = lr * (CURVATURE * START)[:2] ** 2 * (1 - steps) / (1 - ratio[:2] ** 2)
    moved = START * (ratio**updates - 1)
    expected = torch.cat([path, torch.zeros(1)]) / (moved.square() + 0.3)
    (found,) = step.method.after_task(step.context)["importance"].values()
    assert torch.allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9, "weight_decay": 0.1}])
def test_the_gradient_of_the_penalty_is_taken_out_and_tasks_add_up(toy, settings):
    importance = torch.tensor([2.0, 0.5, 4.0])
    step = toy(importance, weight=0.8, damping=0.2)
    path = descend(step, 5, 0.1, **settings)
    assert torch.allclose(step.method.path_body, path, atol=1e-5)
    moved = step.network.body.detach() - START
    assert (importance * moved).abs().max() > 0.1
    carried = step.method.after_task(step.context)["importance"]
    assert list(carried) == ["body"]
    assert torch.allclose(carried["body"], importance + path / (moved.square() + 0.2), rtol=1e-4)


def test_a_share_may_be_negative(toy):
    step = toy()
    body = step.network.body
    body.grad = torch.ones(3)
    step.method.before_update(step.adapter)
    with torch.no_grad():
        body += torch.tensor([0.5, -0.5, 0.0])
    step.method.after_update(step.adapter, 0.1)
    (found,) = step.method.after_task(step.context)["importance"].values()
    assert torch.allclose(found, torch.tensor([-0.5, 0.5, 0.0]) / (0.25 + 0.1))
