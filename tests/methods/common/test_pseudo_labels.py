"""Pseudo-labels: entropies, medians and labels by hand and against numpy."""

import math

import pytest
import torch
from scipy.stats import entropy as entropy_of_scipy

from vdfd_seg.methods.common.pseudo_labels import (
    EntropyMedians,
    normalised_entropy,
    pseudo_labels,
    with_old_classes,
)


def test_entropy_is_that_of_scipy():
    logits = 3 * torch.randn(2, 5, 4, 3, dtype=torch.float64)
    expected = entropy_of_scipy(logits.softmax(1).numpy(), base=5, axis=1)
    assert normalised_entropy(logits).numpy() == pytest.approx(expected, rel=1e-9)
    # One class leaves no doubt.
    assert normalised_entropy(logits[:, :1]).abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_certainty_is_zero_and_doubt_is_one(dtype):
    logits = torch.zeros(1, 3, 2, dtype=dtype)
    # Probabilities of exactly 0, whose logarithm is infinite.
    logits[0, 0, 0] = 6e4
    found = normalised_entropy(logits)
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == pytest.approx([0, 1], abs=1e-6)
    assert found.max() <= 1


def test_medians_by_hand():
    # Ten bins: 1 pixel in bin 2, 4 in bin 5, 2 in bin 9. Half of 7 is 2.5 of 4 into bin 5.
    medians = EntropyMedians(2, 10)
    values = torch.tensor([0.25, 0.55, 0.55, 0.55, 0.55, 0.95, 1.0])
    medians.update(values, torch.zeros(7, dtype=torch.int64))
    # A class without pixels has zero.
    assert medians.compute().tolist() == pytest.approx([0.5 + 0.1 * 2.5 / 4, 0])


def scores(*probabilities):
    """(1, K, 1, P) logits of pixels with these probabilities."""
    return torch.tensor(probabilities).log().t()[None, :, None]


class TestLabels:
    def test_by_hand(self):
        u = (math.log(2) / 2 + math.log(4) / 2) / math.log(3)
        logits = scores(
            (0.98, 0.01, 0.01), (0.01, 0.98, 0.01), (0.25, 0.5, 0.25), (0.5, 0.25, 0.25),
            (0.98, 0.01, 0.01), (0.98, 0.01, 0.01),
        )  # fmt: skip
        labels = torch.tensor([[[0, 0, 0, 0, 4, 255]]])
        thresholds = torch.tensor([u + 0.01, u - 0.01, 1.0])
        found, factors = pseudo_labels(labels, logits, thresholds)
        # Of four hidden pixels the third is too uncertain for its class; 4 and 255 stay.
        assert found.tolist() == [[[0, 1, 255, 0, 4, 255]]]
        assert factors.tolist() == [0.75]
        found, factors = pseudo_labels(labels, logits, thresholds, scale=0.5)
        assert found.tolist() == [[[0, 1, 1, 0, 4, 255]]]
        assert factors.tolist() == [1.0]
        assert labels.tolist() == [[[0, 0, 0, 0, 4, 255]]]
        # The threshold itself is not below it.
        found, _ = pseudo_labels(labels[..., :1], torch.zeros(1, 2, 1, 1), torch.ones(2))
        assert found.item() == 255

    def test_images_without_hidden_pixels_do_not_count(self):
        """As in the released code: accepted / (hidden + 1e-6)."""
        labels = torch.tensor([[[3, 4]], [[255, 255]], [[0, 255]]])
        found, factors = pseudo_labels(labels, torch.zeros(3, 2, 1, 2), torch.full((2,), 1.5))
        assert found.tolist() == [[[3, 4]], [[255, 255]], [[0, 255]]]
        assert factors.tolist() == [0, 0, 1]


def test_confident_old_classes_replace_background():
    labels = torch.tensor([0, 0, 0, 3, 255, 254, 254])
    scores = [[0.1, 0.7], [0.2, 0.5], [0.9, 0.0], [0.0, 0.9], [0.0, 0.9], [0.0, 0.6], [0.6, 0.5]]
    found = with_old_classes(labels, torch.tensor(scores), 0.6)
    assert found.tolist() == [1, 0, 0, 3, 255, 1, 254]
