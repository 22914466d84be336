"""The terms in closed form: those that PyTorch Geometric and autograd give."""

import pytest
import torch

from vdfd_seg.distillation import TaskPrecisions

SIZES = {"one class": (1,), "even": (3, 3), "uneven": (1, 4, 2), "twenty": (2,) * 20}
OPTIONS = {
    "narrow": {},  # fewer latents than classes
    "wide": {"hidden_channels": 5, "out_channels": 7},
    "residual": {"residual": True},
}


def given(sizes, options, vectors=1):
    """Precisions in double precision, and what moved: padded with what must not count."""
    torch.manual_seed(0)
    prototypes = [torch.randn(size, 16) for size in sizes]
    model = TaskPrecisions(prototypes, **options).double()
    return model, torch.randn(len(sizes), max(sizes), vectors, dtype=torch.float64)


def by_autograd(model, moved, eps):
    """Formula 3, task by task, of the latents of PyTorch Geometric's layers."""
    quadratic = log_det = 0.0
    for latents, change, size in zip(model(), moved, model.sizes, strict=True):
        precision = latents[:size] @ latents[:size].t()
        quadratic = quadratic + (change[:size] * (precision @ change[:size])).sum()
        log_det = log_det + torch.logdet(precision + eps * torch.eye(size, dtype=moved.dtype))
    return quadratic, log_det


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("vectors", [1, 6])
def test_values_and_gradients_are_those_of_autograd(sizes, options, vectors):
    model, moved = given(sizes, options, vectors)
    moved.requires_grad_()
    found, expected = model.terms(moved, 1e-3), by_autograd(model, moved, 1e-3)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    wanted = [moved, *model.parameters()]
    ours, theirs = (torch.autograd.grad(2 * q - 3 * d, wanted) for q, d in (found, expected))
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= 1e-6 * b.norm() + 1e-9


def test_in_float32_they_are_equal_to_a_millionth():
    model, moved = given((5, 3), {"hidden_channels": 8, "out_channels": 8})
    exact = by_autograd(model, moved, 1e-3)
    expected = torch.autograd.grad(sum(exact), list(model.parameters()))
    found = model.float().terms(moved.float(), 1e-3)
    gradients = torch.autograd.grad(sum(found), list(model.parameters()))
    torch.testing.assert_close(found, tuple(each.float() for each in exact), rtol=1e-6, atol=0)
    for a, b in zip(gradients, expected, strict=True):
        assert (a - b).norm() <= 1e-6 * b.norm()


def test_a_backward_pass_within_autocast_is_in_full_precision():
    model, moved = given((3, 2), {"hidden_channels": 4, "out_channels": 4})
    model, moved = model.float(), moved.float()
    found = []
    for enabled in (False, True):
        terms = model.terms(moved, 1e-3)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            found.append(torch.autograd.grad(sum(terms), list(model.parameters())))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
