"""How features move: maps that are known, and the objective's own gradient."""

import torch

from tests.distillation.clouds import affine, cloud
from vdfd_seg.distillation import linear_drift, nearness


def test_the_map_is_where_its_objective_is_least():
    """The gradient of the objective, by automatic differentiation, is zero there alone."""
    before, _ = cloud()
    after = torch.tanh(before) + 0.1 * before.square()
    ridge = 0.05
    drift = linear_drift(before, after, ridge)
    x, y = before - before.mean(0), after - after.mean(0)

    def objective(matrix):
        pull = ridge * x.square().sum() / 4
        missed = (x @ matrix.T - y).square().sum()
        return missed + pull * (matrix - torch.eye(4)).square().sum()

    gradient = torch.func.grad(objective)
    size = gradient(torch.eye(4, dtype=torch.float64)).norm()
    assert gradient(drift.matrix).norm() < 1e-9 * size
    assert torch.allclose(drift.of_points(before.mean(0)[None])[0], after.mean(0))


def test_an_image_of_weight_two_counts_twice_and_one_of_weight_zero_not_at_all():
    before, _ = cloud()
    after, weights = torch.tanh(before), torch.arange(len(before)) % 3
    found = linear_drift(before, after, weights=weights)
    images = torch.arange(len(before)).repeat_interleave(weights)
    repeated = linear_drift(before[images], after[images])
    assert torch.allclose(found.matrix, repeated.matrix)
    assert torch.allclose(found.before, repeated.before)


def test_nearness_by_hand():
    """Squared distances 0, 4 and 16 from the first point; 1, 1 and 9 from the second."""
    features = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 8.0]], dtype=torch.float64)
    points = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    found = nearness(features, points, 4 * torch.eye(2, dtype=torch.float64), near=0.5)
    beyond = torch.tensor([[0.0, 4.0, 16.0], [0.0, 0.0, 16.0]], dtype=torch.float64)
    width = torch.tensor([[0.5 * 20 / 3], [0.5 * 16 / 3]], dtype=torch.float64)
    assert torch.allclose(found, torch.exp(-beyond / width))


def test_nearness_does_not_know_the_units():
    """Features in other coordinates, the covariance with them: the same weights."""
    features, _ = cloud()
    matrix, shift = affine()
    points, spread = features[:3] + 1, torch.cov(features.T)
    found = nearness(features, points, spread)
    moved = nearness(
        features @ matrix.T + shift, points @ matrix.T + shift, matrix @ spread @ matrix.T
    )
    assert torch.allclose(found, moved, atol=1e-6)
    assert torch.allclose(found.amax(1), torch.ones(3, dtype=torch.float64))
