"""The implicit step solves its own optimality condition."""

import math

import pytest
import torch

from tests.distillation.test_loss import problem
from vdfd_seg.distillation import VariationalDistillationLoss, proximal_step
from vdfd_seg.errors import InputError


def built(precision="gcn", classifier=True, **options):
    _, params, memories = problem(classifier=classifier, **options)
    torch.manual_seed(0)
    loss = VariationalDistillationLoss(memories, params, precision=precision).double()
    return loss, params, {name: p.detach().clone() for name, p in params.items()}


def steps(kind, params):
    if kind == "number":
        return 0.03
    torch.manual_seed(1)
    if kind == "by name":
        return {name: 0.01 * (1 + i % 3) for i, name in enumerate(params)}
    return {name: 0.02 * torch.rand_like(p) + 0.001 for name, p in params.items()}


@pytest.mark.parametrize("kind", ["number", "by name", "by entry"])
@pytest.mark.parametrize("precision", ["gcn", "identity"])
@pytest.mark.parametrize("weight", [1e-3, 1.0, 1e4])
def test_optimality(kind, precision, weight):
    loss, params, before = built(precision)
    step = steps(kind, params)
    proximal_step(loss, weight, step)
    gradients = torch.autograd.grad(
        weight * loss.terms()[0], list(params.values()), allow_unused=True
    )
    scale = max(float((p.detach() - before[n]).abs().max()) for n, p in params.items())
    assert scale > 0
    for (name, parameter), gradient in zip(params.items(), gradients, strict=True):
        size = step if kind == "number" else step[name]
        moved = parameter.detach() - before[name]
        expected = torch.zeros_like(moved) if gradient is None else -size * gradient
        torch.testing.assert_close(moved, expected, rtol=1e-5, atol=1e-7 * scale)


@pytest.mark.parametrize("precision", ["gcn", "identity"])
def test_infinite_weight_is_the_projection(precision):
    loss, params, before = built(precision)
    start = float(loss.terms()[0].detach())
    proximal_step(loss, math.inf, 1.0)
    assert float(loss.terms()[0].detach()) < 1e-16 * start
    held = {name: p.detach().clone() for name, p in params.items()}
    proximal_step(loss, math.inf, 1.0)
    for name, parameter in params.items():
        torch.testing.assert_close(parameter.detach(), held[name], rtol=0, atol=1e-9)
    # The projection is the limit of the proximal step.
    with torch.no_grad():
        for name, parameter in params.items():
            parameter.copy_(before[name])
    proximal_step(loss, 1e9, 1.0)
    for name, parameter in params.items():
        torch.testing.assert_close(parameter.detach(), held[name], rtol=1e-5, atol=1e-6)


def test_zero_weight_moves_nothing_and_larger_weights_displace_less():
    quadratics = []
    for weight in (0.0, 1e-2, 1.0, 1e2, 1e8):
        loss, params, before = built()
        proximal_step(loss, weight, 0.1)
        quadratics.append(float(loss.terms()[0].detach()))
        if weight == 0:
            assert all(torch.equal(p, before[n]) for n, p in params.items())
    assert quadratics == sorted(quadratics, reverse=True)
    with pytest.raises(InputError, match="negative"):
        proximal_step(loss, -1.0, 0.1)
    with pytest.raises(InputError):
        proximal_step(loss, math.nan, 0.1)


def test_float32_network():
    loss, params, before = built(double=False)
    loss.float()
    start = float(loss.terms()[0].detach())
    proximal_step(loss, math.inf, 1.0)
    assert float(loss.terms()[0].detach()) < 1e-8 * start
