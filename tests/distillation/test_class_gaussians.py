"""Classes as Gaussians: against torch's own densities, and against solving in another way."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from tests.distillation.clouds import affine, cloud
from vdfd_seg.distillation import ClassGaussians, linear_drift


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


def test_gaussians_move_as_their_samples_do():
    """Then the same images get the same differences of scores, before and after."""
    features, labels = cloud()
    matrix, shift = affine()
    after = features @ matrix.T + shift
    moved = ClassGaussians.of(features, labels, range(3)).moved(features, after, ridge=1e-12)
    again = ClassGaussians.of(after, labels, range(3))
    assert torch.allclose(moved.means, again.means, atol=1e-6)
    assert torch.allclose(moved.covariance, again.covariance, atol=1e-5)


def test_a_class_moves_as_the_images_near_it_do():
    """Two far groups of images, each moved by a map of its own: no one map is right for both."""
    near, _ = cloud(classes=1)
    far = near + 1000
    matrix, shift = affine()
    after = torch.cat([near @ matrix.T + shift, far - 7])
    before = torch.cat([near, far])
    labels = torch.arange(2).repeat_interleave(len(near))
    kept = ClassGaussians.of(before, labels, range(2))
    moved = kept.moved(before, after, ridge=1e-9)
    expected = torch.stack([after[labels == label].mean(0) for label in range(2)])
    assert torch.allclose(moved.means, expected, atol=1e-2)
    # The covariance has no place, and moves by the map of all images.
    one = linear_drift(before, after, ridge=1e-9)
    assert torch.allclose(moved.covariance, one.of_covariance(kept.covariance))


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
    still = ClassGaussians.of(features, labels, range(3)).moved(torch.ones(4, 3), torch.ones(4, 3))
    assert torch.allclose(still.means, torch.eye(3, dtype=torch.float64))


def test_a_class_without_images_lies_in_the_middle():
    features, labels = cloud()
    found = ClassGaussians.of(features, labels, [0, 1, 2, 8])
    assert torch.allclose(found.means[3], features.mean(0))
    assert torch.allclose(
        found.covariance, ClassGaussians.of(features, labels, range(3)).covariance
    )
