"""Gaussians of features: found from batches, drawn from, carried."""

import pytest
import torch

from vdfd_seg.distillation import FeatureGaussians


def made(count=4000, d=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    turn = torch.randn(3, d, d, generator=generator)
    noise = torch.randn(count, d, generator=generator)
    features = (turn[labels] @ noise[:, :, None])[:, :, 0] + 5 * labels[:, None]
    return features, labels


def test_moments_are_those_of_each_class_however_batched():
    features, labels = made()
    batches = zip(features.split(700), labels.split(700), strict=True)
    found = FeatureGaussians.of(batches, [2, 0])
    assert found.labels.tolist() == [2, 0]
    for i, label in enumerate((2, 0)):
        own = features[labels == label].double()
        assert found.counts[i] == len(own)
        assert torch.allclose(found.means[i], own.mean(0).float(), atol=1e-5)
        expected = torch.cov(own.T, correction=0).float()
        assert torch.allclose(found.covariances[i], expected, atol=1e-4)


def test_a_class_without_features_has_no_gaussian():
    features, labels = made()
    found = FeatureGaussians.of([(features, labels)], [1, 7])
    assert found.labels.tolist() == [1]
    nothing = FeatureGaussians.of([(features, labels)], [7])
    assert nothing.joined(found).labels.tolist() == [1]


def test_draws_have_the_moments_and_come_as_often_as_the_class_did():
    features, labels = made()
    gaussians = FeatureGaussians.of([(features, labels)], [0, 1, 2])
    torch.manual_seed(1)
    drawn, classes = gaussians.draw(60_000)
    share = torch.bincount(labels) / len(labels)
    assert torch.allclose(torch.bincount(classes) / len(classes), share, atol=1e-3)
    for i in range(3):
        own = drawn[classes == i]
        spread = gaussians.covariances[i].diagonal().mean()
        assert torch.allclose(own.mean(0), gaussians.means[i], atol=0.05 * spread.sqrt())
        # Widened by a fiftieth of the mean variance.
        expected = gaussians.covariances[i] + spread / 50 * torch.eye(3)
        assert torch.allclose(torch.cov(own.T), expected, atol=0.05 * spread)


def test_every_class_is_drawn_and_one_of_a_single_pixel_too():
    features, labels = torch.randn(1001, 4), torch.zeros(1001, dtype=torch.int64)
    labels[-1] = 1
    gaussians = FeatureGaussians.of([(features, labels)], [0, 1])
    drawn, classes = gaussians.draw(8)
    assert classes.tolist() == [0] * 8 + [1]
    assert torch.allclose(drawn[-1], features[-1], atol=1e-4)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_label_of_both_keeps_one_gaussian_of_their_draws(share):
    """Mean and covariance of what a mixture draws, from as many of each as the share says."""
    features = torch.randn(4000, 4) * torch.tensor([1.0, 2.0, 0.5, 3.0]) + 1
    other = torch.randn(4000, 4) @ torch.randn(4, 4) - 2
    label = torch.zeros(4000, dtype=torch.int64)
    older = FeatureGaussians.of([(features, label), (features, label + 1)], [0, 1])
    newer = FeatureGaussians.of([(other, label), (other, label + 2)], [0, 2])
    times = int(1 / share) - 1
    repeated = torch.cat([*[features] * times, other]).double()
    found = older.joined(newer, share)
    assert found.labels.tolist() == [0, 1, 2]
    assert found.counts.tolist() == [4000] * 3
    assert torch.allclose(found.means[0], repeated.mean(0).float(), atol=1e-4)
    assert torch.allclose(
        found.covariances[0], torch.cov(repeated.T, correction=0).float(), atol=1e-3
    )
    assert torch.equal(found.means[1:], torch.stack([older.means[1], newer.means[1]]))
    assert torch.equal(older.means[0], older.means[1])  # nothing was changed in place
