"""Local POD: by hand and against loops; see also test_half_precision.py."""

import pytest
import torch

from vdfd_seg.losses import local_pod, local_pod_distance, local_pod_loss, merge_new_classes


def pair(*shape, dtype=torch.float64):
    return torch.randn(2, *shape, dtype=dtype).unbind(0)


def pooled_by_loops(image, scales):
    """Row and column means of every cell of one image (C, H, W), as a list of numbers."""
    channels, height, width = image.shape
    found = []
    for s in scales:
        h, w = height // s, width // s
        for i in range(s):
            for j in range(s):
                for c in range(channels):
                    for u in range(h):
                        row = [image[c, i * h + u, j * w + v].item() for v in range(w)]
                        found += [sum(row) / w] if w else []
                    for v in range(w):
                        column = [image[c, i * h + u, j * w + v].item() for u in range(h)]
                        found += [sum(column) / h] if h else []
    return found


def test_pooling_of_two_by_two_by_hand():
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]])
    assert local_pod(maps, [1]).tolist() == [[1.5, 4.0, 2.0, 3.5]]
    # Cells of one pixel: each is its own row and its own column.
    assert local_pod(maps, [2]).tolist() == [[1.0, 2.0, 3.0, 5.0] * 2]


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (9, 9), (7, 10), (13, 6), (5, 3), (1, 1)])
@pytest.mark.parametrize("scales", [(1, 2, 4), (1,), (3,), (2, 8)])
def test_the_distance_is_that_of_loops(size, scales):
    """Maps smaller than every scale do not count."""
    new, old = pair(3, 4, *size)
    expected = 0.0
    for x, y in zip(new, old, strict=True):
        ours, theirs = (pooled_by_loops(z * z, scales) for z in (x, y))
        expected += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) ** 0.5 / 3
    assert local_pod_distance(new, old, scales).item() == pytest.approx(expected, rel=1e-9)


def test_new_classes_are_added_to_a_background():
    logits = torch.tensor([1.0, 2, 3, 10, 20]).view(1, 5, 1, 1)
    assert merge_new_classes(logits, 3).flatten().tolist() == [31.0, 2.0, 3.0]
    assert merge_new_classes(logits, 3, background=False).flatten().tolist() == [1.0, 2.0, 3.0]
    assert torch.equal(merge_new_classes(logits, 5), logits)
    # Sums of half precision do not overflow.
    logits = torch.full((1, 4, 1, 1), 6e4, dtype=torch.float16)
    assert merge_new_classes(logits, 1).item() == pytest.approx(4 * 6e4, rel=1e-2)


def test_layers_are_weighted_and_averaged():
    new, old = zip(*(pair(2, 3, s, s) for s in (8, 4, 2)), strict=True)
    each = [local_pod_distance(x, y).item() for x, y in zip(new, old, strict=True)]
    expected = (0.01 * each[0] + 0.01 * each[1] + 5e-4 * each[2]) / 3
    found = local_pod_loss(new, old, [0.01, 0.01, 5e-4])
    assert found.item() == pytest.approx(expected, rel=1e-9)
