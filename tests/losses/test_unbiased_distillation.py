"""MiB's unbiased distillation: by hand, and against a plain reference."""

import math

import pytest
import torch

from vdfd_seg.losses import distillation_loss, unbiased_distillation


def data(classes=5, old=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(channels):
        return 3 * torch.randn(2, channels, 4, 3, generator=generator, dtype=dtype)

    return draw(classes), draw(old)


def plain(new, old, alpha=1.0):
    """With probabilities instead of logarithms."""
    known, q = old.shape[1], new.softmax(1)
    background = q[:, :1] + q[:, known:].sum(1, keepdim=True)
    r = torch.cat([background, q[:, 1:known]], 1)
    return -((alpha * old).softmax(1) * r.log()).mean().item()


def test_by_hand():
    # q = (0.1, 0.2, 0.3, 0.4), two old classes: r = (0.1 + 0.7, 0.2) under the target (1/4, 3/4).
    new = torch.log(torch.tensor([1.0, 2, 3, 4])).view(1, 4, 1, 1)
    old = torch.log(torch.tensor([1.0, 3])).view(1, 2, 1, 1)
    expected = -(0.25 * math.log(0.8) + 0.75 * math.log(0.2)) / 2
    assert unbiased_distillation(new, old).item() == pytest.approx(expected)
    # Alpha squares and normalises the target: (1/10, 9/10).
    expected = -(0.1 * math.log(0.8) + 0.9 * math.log(0.2)) / 2
    assert unbiased_distillation(new, old, 2.0).item() == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [1.0, 2.5])
@pytest.mark.parametrize("num_old", [1, 2, 4, 5])
def test_is_the_plain_reference(num_old, alpha):
    new, old = data(5, num_old, torch.float64)
    found = unbiased_distillation(new, old, alpha).item()
    assert found == pytest.approx(plain(new, old, alpha), rel=1e-9)
    if num_old == 5:
        # Nothing is new.
        expected = distillation_loss(new, alpha * old, average_classes=True)
        assert found == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("num_old", [1, 2, 5])
def test_the_gradient_is_that_of_finite_differences(num_old):
    """And in single precision nearly that in double."""
    new, old = data(5, num_old, torch.float64)
    new.requires_grad_()
    assert torch.autograd.gradcheck(lambda scores: unbiased_distillation(scores, old), (new,))
    (expected,) = torch.autograd.grad(unbiased_distillation(new, old), new)
    (single,) = torch.autograd.grad(unbiased_distillation(new.float(), old.float()), new)
    torch.testing.assert_close(single, expected, rtol=1e-6, atol=1e-7)
