"""Classes as Gaussians: against torch's own densities, and against solving in another way."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from vdfd_seg.distillation import ClassGaussians, linear_drift


def cloud(count=60, width=4, seed=0, classes=3):
    draw = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centres = 3 * torch.randn(classes, width, generator=draw)
    spread = torch.randn(width, width, generator=draw, dtype=torch.float64)
    noise = torch.randn(count, width, generator=draw, dtype=torch.float64) @ spread
    return centres.double()[labels] + noise, labels


def affine(width=4, seed=5):
    draw = torch.Generator().manual_seed(seed)
    matrix = torch.eye(width, dtype=torch.float64)
    matrix += 0.3 * torch.randn(width, width, generator=draw, dtype=torch.float64)
    return matrix, torch.randn(width, generator=draw, dtype=torch.float64)


def test_means_and_covariance_by_hand():
    features = torch.tensor([[0.0, 0.0], [2.0, 4.0], [10.0, 1.0], [10.0, 3.0]])
    found = ClassGaussians.of(features, torch.tensor([7, 7, 5, 5]), [5, 7])
    assert found.means.tolist() == [[10, 2], [1, 2]]
    # Of class 5 [[0, 0], [0, 1]], of class 7 [[1, 2], [2, 4]].
    assert found.covariance.tolist() == [[0.5, 1], [1, 2.5]]


@pytest.mark.parametrize("shrinkage", [0.1, 1.0])
def test_differences_of_scores_are_those_of_log_densities(shrinkage):
    features, labels = cloud()
    gaussians = ClassGaussians.of(features, labels, range(3))
    rows, offsets = gaussians.discriminant(shrinkage)
    scores = features @ rows.T + offsets
    wide = gaussians.covariance + shrinkage * gaussians.covariance.trace() / 4 * torch.eye(4)
    expected = torch.stack(
        [MultivariateNormal(mean, wide).log_prob(features) for mean in gaussians.means], 1
    )
    assert torch.allclose(scores - scores[:, :1], expected - expected[:, :1], atol=1e-8)


def test_an_affine_drift_is_found():
    before, _ = cloud()
    matrix, shift = affine()
    drift = linear_drift(before, before @ matrix.T + shift, ridge=1e-12)
    others, _ = cloud(seed=9)
    assert torch.allclose(drift.of_points(others), others @ matrix.T + shift, atol=1e-6)


def test_gaussians_move_as_their_samples_do():
    """Then the same images get the same differences of scores, before and after."""
    features, labels = cloud()
    matrix, shift = affine()
    drift = linear_drift(features, features @ matrix.T + shift, ridge=1e-12)
    moved = ClassGaussians.of(features, labels, range(3)).moved(drift)
    again = ClassGaussians.of(features @ matrix.T + shift, labels, range(3))
    assert torch.allclose(moved.means, again.means, atol=1e-6)
    assert torch.allclose(moved.covariance, again.covariance, atol=1e-5)


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


def test_where_the_new_images_say_nothing_features_stay():
    before = torch.zeros(20, 3, dtype=torch.float64)
    before[:, 0] = torch.linspace(-1, 1, 20)
    drift = linear_drift(before, 2 * before, ridge=1e-9)
    points = torch.tensor([[1.0, 5.0, -2.0]], dtype=torch.float64)
    assert torch.allclose(drift.of_points(points), torch.tensor([[2.0, 5.0, -2.0]]).double())


def test_a_step_that_changes_nothing_moves_nothing():
    before, labels = cloud()
    gaussians = ClassGaussians.of(before, labels, range(3))
    moved = gaussians.moved(linear_drift(before, before))
    assert torch.allclose(moved.means, gaussians.means)
    assert torch.allclose(moved.covariance, gaussians.covariance)


def test_the_covariance_is_the_mean_over_tasks():
    parts = [ClassGaussians.of(*cloud(seed=seed), range(3)) for seed in range(3)]
    joined = parts[0].joined(parts[1]).joined(parts[2])
    assert torch.allclose(joined.covariance, sum(part.covariance for part in parts) / 3)
    assert torch.equal(joined.means, torch.cat([part.means for part in parts]))


@pytest.mark.parametrize("each", [1, 2])
def test_few_or_equal_images_give_finite_scores(each):
    features = torch.eye(3, dtype=torch.float64).repeat_interleave(each, 0)
    labels = torch.arange(3).repeat_interleave(each)
    rows, offsets = ClassGaussians.of(features, labels, range(3)).discriminant()
    scores = features @ rows.T + offsets
    assert scores.isfinite().all()
    assert torch.equal(scores.argmax(1), labels)
    still = linear_drift(torch.ones(4, 3), torch.ones(4, 3))
    assert torch.allclose(still.of_points(features), features)


def test_a_class_without_images_lies_in_the_middle():
    features, labels = cloud()
    found = ClassGaussians.of(features, labels, [0, 1, 2, 8])
    assert torch.allclose(found.means[3], features.mean(0))
    assert torch.allclose(
        found.covariance, ClassGaussians.of(features, labels, range(3)).covariance
    )
