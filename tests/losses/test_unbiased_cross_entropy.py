"""MiB's unbiased cross-entropy: by hand, and against plain cross-entropy."""

import math

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.losses import UnbiasedCrossEntropyLoss, unbiased_cross_entropy


def data(classes=5, labels=None, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, classes, 4, 3, generator=generator, dtype=dtype)
    labels = torch.randint(classes, (2, 4, 3), generator=generator) if labels is None else labels
    labels[0, 0] = 255
    return logits, labels


def test_by_hand():
    # Scores log 1, log 2, log 3, log 4: probabilities 0.1, 0.2, 0.3, 0.4; two hidden classes.
    logits = torch.log(torch.tensor([1.0, 2, 3, 4])).view(1, 4, 1, 1).expand(1, 4, 1, 4)
    labels = torch.tensor([[[0, 1, 3, 255]]])
    expected = -(math.log(0.3) + math.log(0.3) + math.log(0.4)) / 3
    assert unbiased_cross_entropy(logits, labels, 2).item() == pytest.approx(expected)
    # Over all pixels, as the released code of RCIL: ``loss.mean()`` of losses with 0 at void.
    found = UnbiasedCrossEntropyLoss(avg_non_ignore=False)
    found.num_hidden = 2
    assert found(logits, labels).item() == pytest.approx(expected * 3 / 4)


@pytest.mark.parametrize("hidden", [1, 2, 3, 5])
def test_equals_the_cross_entropy_of_merged_probabilities(hidden):
    """With the background alone hidden it is the plain one."""
    logits, labels = data(dtype=torch.float64)
    before, q = labels.clone(), logits.softmax(1)
    merged = torch.cat([q[:, :hidden].sum(1, keepdim=True), q[:, hidden:]], 1)
    targets = (labels - hidden + 1).clamp(min=0).masked_fill(labels == 255, 255)
    expected = F.nll_loss(merged.log(), targets, ignore_index=255)
    found = unbiased_cross_entropy(logits, labels, hidden)
    assert torch.allclose(found.double(), expected, atol=1e-6)
    assert torch.equal(labels, before)


@pytest.mark.parametrize("hidden", [2, 3, 5])
def test_the_gradient_is_that_of_finite_differences(hidden):
    """And in single precision nearly that in double."""
    logits, labels = data(dtype=torch.float64)
    logits.requires_grad_()

    def ours(scores):
        return unbiased_cross_entropy(scores, labels, hidden)

    assert torch.autograd.gradcheck(ours, (logits,))
    (expected,) = torch.autograd.grad(ours(logits), logits)
    (single,) = torch.autograd.grad(ours(logits.float()), logits)
    torch.testing.assert_close(single, expected, rtol=1e-6, atol=1e-7)


class TestModule:
    def test_weights_its_function_by_the_step(self):
        logits, labels = data()
        module = UnbiasedCrossEntropyLoss(loss_weight=0.5)
        for ignored in (255, 4):
            expected = 0.5 * F.cross_entropy(
                logits, labels.clamp(max=ignored), ignore_index=ignored
            )
            found = module(logits, labels.clamp(max=ignored), ignore_index=ignored)
            assert torch.allclose(found, expected)
        module.num_hidden = 3
        expected = 0.5 * unbiased_cross_entropy(logits, labels, 3)
        assert torch.allclose(module(logits, labels), expected)

    def test_pixel_weights_are_refused(self):
        logits, labels = data()
        with pytest.raises(ValueError, match="pixel weights"):
            UnbiasedCrossEntropyLoss()(logits, labels, weight=torch.ones(2, 4, 3))
