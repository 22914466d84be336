"""Pooled cube distillation: by hand and against loops; see also test_half_precision.py."""

import pytest
import torch

from vdfd_seg.losses import channel_cube_distance, pooled_cube_loss, spatial_cube_distance


def pair(*shape, dtype=torch.float64):
    return torch.randn(2, *shape, dtype=dtype).unbind(0)


def windows(image, size):
    """Mean of every window of one map (H, W) and its margin of zeros, as a list of numbers."""
    height, width = image.shape
    margin = size // 2
    found = []
    for top in range(-margin, height + margin - size + 1):
        for left in range(-margin, width + margin - size + 1):
            total = 0.0
            for i in range(max(top, 0), min(top + size, height)):
                for j in range(max(left, 0), min(left + size, width)):
                    total += image[i, j].item()
            found.append(total / size**2)
    return found


def spatial_by_loops(new, old, sizes):
    total = 0.0
    for size in sizes:
        for x, y in zip(new, old, strict=True):
            squares = 0.0
            for a, b in zip(x, y, strict=True):
                pairs = zip(windows(a**2, size), windows(b**2, size), strict=True)
                squares += sum((one - two) ** 2 for one, two in pairs)
            total += squares**0.5 / len(new) / len(sizes)
    return total


def channel_by_loops(new, old, count):
    total, margin = 0.0, count // 2
    for x, y in zip(new, old, strict=True):
        squares = 0.0
        difference = x**2 - y**2
        for first in range(-margin, len(x) + margin - count + 1):
            inside = difference[max(first, 0) : first + count]
            squares += ((inside.sum(0) / count) ** 2).sum().item()
        total += squares**0.5 / len(new)
    return total


def test_two_pixels_in_windows_of_one_and_two_by_hand():
    new, old = torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1, 1, 2)
    # Windows of one: 1 and 4. Of two, in two rows: 1/4, 5/4, 4/4.
    one, two = 17**0.5, (2 * (1 + 25 + 16) / 16) ** 0.5
    found = spatial_cube_distance(new, old, [1, 2])
    assert found.item() == pytest.approx((one + two) / 2)


@pytest.mark.parametrize("size", [(6, 6), (5, 7), (3, 2), (1, 1)])
@pytest.mark.parametrize("sizes", [(4, 8), (3,), (1, 24)])
def test_the_spatial_distance_is_that_of_loops(size, sizes):
    """Also with windows greater than the map."""
    new, old = pair(2, 2, *size)
    found = spatial_cube_distance(new, old, sizes).item()
    assert found == pytest.approx(spatial_by_loops(new, old, sizes), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_the_channel_distance_is_that_of_loops(count, channels):
    new, old = pair(2, channels, 3, 2)
    found = channel_cube_distance(new, old, count).item()
    assert found == pytest.approx(channel_by_loops(new, old, count), rel=1e-9)


def test_layers_are_weighted_and_averaged():
    """Those of weight zero count in the mean."""
    new, old = zip(*(pair(2, 3, s, s) for s in (8, 4, 2)), strict=True)
    spatial, channel = pooled_cube_loss(new, old, [0.01, 0.0, 5e-4], [0.02, 0.0])
    one, _, three = (spatial_cube_distance(x, y) for x, y in zip(new, old, strict=True))
    assert spatial.item() == pytest.approx((0.01 * one + 5e-4 * three).item() / 3)
    expected = 0.02 * channel_cube_distance(new[0], old[0]).item() / 2
    assert channel.item() == pytest.approx(expected)
    nothing = pooled_cube_loss(new, old, [0.0] * 3, [0.0] * 2)
    assert [value.item() for value in nothing] == [0, 0]
