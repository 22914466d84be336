"""Distances of squares of maps: gradients by differences, and where they could be NaN."""

import pytest
import torch

from vdfd_seg.losses import channel_cube_distance, local_pod_distance, spatial_cube_distance

pytestmark = pytest.mark.parametrize(
    "distance", [local_pod_distance, spatial_cube_distance, channel_cube_distance]
)


def test_gradient_equals_finite_differences(distance):
    new, old = torch.randn(2, 2, 3, 4, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: distance(x, old), new.requires_grad_(), atol=1e-6)


def test_one_equal_image_leaves_the_gradient_of_the_other(distance):
    new, old = torch.randn(2, 2, 3, 8, 8)
    new[0] = old[0]
    new.requires_grad_()
    distance(new, old).backward()
    assert new.grad.isfinite().all()
    assert new.grad[0].abs().max() == 0
    assert new.grad[1].abs().max() > 0


@pytest.mark.parametrize("difference", [1e-12, 1e-25, 1e-40])
def test_tiny_differences_have_a_finite_gradient(distance, difference):
    old = torch.ones(1, 1, 4, 4) * 1e-3
    new = (old + difference).requires_grad_()
    distance(new, old).backward()
    assert new.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_squares_of_half_precision_maps_do_not_overflow(distance, dtype):
    # 300^2 is above float16's greatest number.
    new = torch.full((1, 2, 4, 4), 3e4, dtype=dtype).requires_grad_()
    old = torch.full((1, 2, 4, 4), 300.0, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        loss = distance(new, old)
    assert loss.dtype == torch.float32
    # The maps are constant: the distance is their difference of squares times that of ones.
    ones = distance(torch.ones(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)).item()
    expected = ones * (new.float()[0, 0, 0, 0] ** 2 - 300**2).item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    (loss * 1e-6).backward()
    assert new.grad.isfinite().all()
