"""MiB's unbiased distillation: by hand, against a plain reference, by differences."""

import math

import pytest
import torch

from vdfd_seg.losses import unbiased_distillation
from vdfd_seg.methods.lwf import distillation_loss


def data(classes=5, old=3, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(channels):
        return 3 * torch.randn(2, channels, 4, 3, generator=generator, dtype=dtype)

    return draw(classes), draw(old)


def plain(new, old, alpha=1.0):
    """Pixel by pixel, class by class, with probabilities instead of logarithms."""
    known, total, pixels = old.shape[1], 0.0, 0
    for image in range(len(new)):
        for row in range(new.shape[2]):
            for column in range(new.shape[3]):
                scores = [math.exp(z) for z in new[image, :, row, column].tolist()]
                q = [score / sum(scores) for score in scores]
                scores = [math.exp(alpha * z) for z in old[image, :, row, column].tolist()]
                target = [score / sum(scores) for score in scores]
                r = [q[0] + sum(q[known:]), *q[1:known]]
                total -= sum(t * math.log(p) for t, p in zip(target, r, strict=True)) / known
                pixels += 1
    return total / pixels


def balanced(old, added):
    """Logits of a network whose new classes share the old background's probability equally."""
    share = old[:, :1] - math.log(added + 1)
    return torch.cat([share, old[:, 1:], *[share] * added], 1)


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
@pytest.mark.parametrize("old", [1, 2, 4, 5])
def test_is_the_plain_reference(old, alpha):
    new, old = data(5, old, torch.float64)
    found = unbiased_distillation(new, old, alpha).item()
    assert found == pytest.approx(plain(new, old, alpha), rel=1e-9)


def test_is_the_plain_distillation_where_nothing_is_new():
    new, old = data(4, 4)
    expected = distillation_loss(new, old, average_classes=True)
    assert torch.allclose(unbiased_distillation(new, old), expected, rtol=1e-6)


def test_does_not_tell_new_classes_and_the_background_apart():
    new, old = data()
    assert torch.allclose(
        unbiased_distillation(new, old), unbiased_distillation(new[:, [4, 1, 2, 0, 3]], old)
    )


@pytest.mark.parametrize("added", [0, 1, 2, 5])
def test_is_least_where_new_classes_share_the_old_background(added):
    _, old = data(dtype=torch.float64)
    new = balanced(old, added).requires_grad_()
    loss = unbiased_distillation(new, old)
    q = old.softmax(1)
    assert loss.item() == pytest.approx(-(q * q.log()).mean().item())
    (gradient,) = torch.autograd.grad(loss, new)
    assert gradient.abs().max() < 1e-12
    for seed in range(3):
        noise = torch.randn(new.shape, generator=torch.Generator().manual_seed(seed)).double()
        assert unbiased_distillation(new + 0.1 * noise, old) > loss


@pytest.mark.parametrize("old", [1, 3, 5])
def test_gradient_equals_finite_differences(old):
    new, old = data(5, old, torch.float64)
    new.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: unbiased_distillation(z, old, 1.5), (new,))


def test_new_classes_are_pushed_to_the_old_background():
    # d/dz_c = (q_c - target_0 * q_c / r_0) / (K |P|) for new c.
    new, old = data(dtype=torch.float64)
    new.requires_grad_()
    (gradient,) = torch.autograd.grad(unbiased_distillation(new, old), new)
    q, target = new.detach().softmax(1), old.softmax(1)
    r = q[:, :1] + q[:, 3:].sum(1, keepdim=True)
    expected = (q[:, 3:] - target[:, :1] * q[:, 3:] / r) / (3 * 2 * 4 * 3)
    assert torch.allclose(gradient[:, 3:], expected, atol=1e-12)


@pytest.mark.parametrize("classes", [3, 5])
def test_extreme_scores_are_finite_under_autocast(classes):
    new, old = data(classes)
    new, old = (1e4 * z.sign() for z in (new, old))
    new = new.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        loss = unbiased_distillation(new, old.bfloat16())
    assert loss.dtype == torch.float32
    loss.backward()
    assert loss.isfinite()
    assert new.grad.isfinite().all()


def test_is_close_under_autocast():
    new, old = data()
    with torch.autocast("cpu", torch.bfloat16):
        loss = unbiased_distillation(new.bfloat16(), old.bfloat16())
    assert torch.allclose(loss, unbiased_distillation(new, old), rtol=0.02)
