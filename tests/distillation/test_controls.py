"""The random control is as stiff as the real memory and knows nothing else of it."""

from dataclasses import replace

import pytest
import torch

from tests.distillation.test_loss import perturb, problem
from vdfd_seg.distillation import (
    MeanGradientEstimator,
    VariationalDistillationLoss,
    random_directions,
)


@pytest.fixture(scope="module", params=[1, 2])
def taken(request):
    """A network with a memory of the given rank that was taken at its present weights."""
    module, params, _ = problem(double=False)
    torch.manual_seed(4)
    with MeanGradientEstimator(module, params, outputs=[0, 1, 3]) as estimator:
        estimator.update(module, torch.randn(2, 3, 10, 10))
    rows = module.head.weight.detach()[[0, 1, 3]].flatten(1)
    return module, params, estimator.compute(request.param, rows)


def test_singular_values_are_those_of_the_memory(taken):
    _, params, memory = taken
    control = random_directions(memory, params, seed=0)
    assert control.left.keys() == memory.left.keys()
    for name in memory.left:
        assert control.left[name].shape == memory.left[name].shape
        assert control.right[name].shape == memory.right[name].shape
        assert control.left[name].dtype == control.right[name].dtype == torch.float32
        real, other = memory.mean_gradient(name), control.mean_gradient(name)
        expected = torch.linalg.svdvals(real)
        torch.testing.assert_close(
            torch.linalg.svdvals(other), expected, rtol=1e-5, atol=1e-5 * float(expected[0])
        )
        if real.norm() > 0 and real.numel() > 1:
            cosine = (real * other).sum() / (real.norm() * other.norm())
            assert cosine < 0.999


def test_displacement_is_zero_where_the_memory_was_taken_and_moves_elsewhere(taken):
    module, params, memory = taken
    control = random_directions(memory, params, seed=0)
    assert control.projection_star.dtype == torch.float64
    loss = VariationalDistillationLoss([control], params)
    assert float(loss.stacked_displacements().detach().abs().max()) < 1e-6
    before = {name: parameter.detach().clone() for name, parameter in params.items()}
    perturb(module)
    assert float(loss.stacked_displacements().detach().abs().max()) > 1e-3
    with torch.no_grad():
        for name, parameter in params.items():
            parameter.copy_(before[name])


def test_the_seed_decides(taken):
    _, params, memory = taken
    first, again, other = (random_directions(memory, params, seed) for seed in (0, 0, 1))
    for name in memory.left:
        assert torch.equal(first.left[name], again.left[name])
        assert torch.equal(first.right[name], again.right[name])
    assert torch.equal(first.projection_star, again.projection_star)
    assert not torch.equal(first.left["stem.weight"], other.left["stem.weight"])


def test_all_else_is_kept(taken):
    _, params, memory = taken
    control = random_directions(memory, params, seed=0)
    assert torch.equal(control.prototypes, memory.prototypes)
    assert control.outputs == memory.outputs and control.layouts == memory.layouts
    assert control.numbers == memory.numbers
    torch.manual_seed(0)
    real = VariationalDistillationLoss([memory], params)
    torch.manual_seed(0)
    assert torch.equal(
        VariationalDistillationLoss([control], params).precisions()[0], real.precisions()[0]
    )
    part = {"mean_feature": torch.ones(10), "names": ["head.weight"]}
    assert random_directions(replace(memory, classifier=part), params, 0).classifier is part


def test_a_memory_of_another_precision(taken):
    _, params, memory = taken
    control = random_directions(memory.to(dtype=torch.float16), params, seed=0)
    assert control.left["stem.weight"].dtype == torch.float32
    assert control.left["stem.weight"].isfinite().all()
