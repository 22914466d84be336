"""Local POD: by hand, against loops, by differences, and where it could be NaN."""

import pytest
import torch

from vdfd_seg.losses import (
    local_pod,
    local_pod_distance,
    local_pod_loss,
    merge_new_classes,
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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


class TestPooling:
    def test_two_by_two_by_hand(self):
        maps = torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]])
        assert local_pod(maps, [1]).tolist() == [[1.5, 4.0, 2.0, 3.5]]
        # Cells of one pixel: each is its own row and its own column.
        assert local_pod(maps, [2]).tolist() == [[1.0, 2.0, 3.0, 5.0] * 2]

    def test_four_by_four_by_hand(self):
        maps = torch.arange(16.0).view(1, 1, 4, 4)
        rows = {(0, 0): [0.5, 4.5], (0, 1): [2.5, 6.5], (1, 0): [8.5, 12.5], (1, 1): [10.5, 14.5]}
        columns = {(0, 0): [2, 3], (0, 1): [4, 5], (1, 0): [10, 11], (1, 1): [12, 13]}
        expected = [x for means in (*rows.values(), *columns.values()) for x in means]
        assert sorted(local_pod(maps, [2])[0].tolist()) == sorted(expected)
        whole = [1.5, 5.5, 9.5, 13.5, 6.0, 7.0, 8.0, 9.0]
        assert local_pod(maps, [1])[0].tolist() == whole

    @pytest.mark.parametrize("size", [(4, 4), (8, 8), (9, 9), (7, 10), (13, 6), (5, 3), (1, 1)])
    @pytest.mark.parametrize("scales", [(1, 2, 4), (1,), (3,), (2, 8)])
    def test_is_that_of_loops(self, size, scales):
        maps = torch.randn(2, 3, *size, dtype=torch.float64)
        for found, image in zip(local_pod(maps, scales), maps, strict=True):
            expected = pooled_by_loops(image, scales)
            assert sorted(found.tolist()) == pytest.approx(sorted(expected), abs=1e-12)

    def test_a_scale_that_leaves_rows_over_drops_them(self):
        maps = torch.zeros(1, 1, 5, 5)
        maps[..., 4, :] = 1
        maps[..., :, 4] = 1
        assert local_pod(maps, [2]).abs().sum() == 0
        assert local_pod(maps, [1]).abs().sum() > 0


class TestDistance:
    @pytest.mark.parametrize("size", [(8, 8), (9, 7), (3, 3)])
    def test_is_that_of_loops(self, size):
        new, old = pair(3, 4, *size)
        expected = 0.0
        for x, y in zip(new, old, strict=True):
            ours, theirs = (pooled_by_loops(z * z, (1, 2, 4)) for z in (x, y))
            expected += sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) ** 0.5 / 3
        assert local_pod_distance(new, old).item() == pytest.approx(expected, rel=1e-9)

    def test_is_that_of_the_two_embeddings(self):
        new, old = pair(2, 3, 8, 8)
        expected = (local_pod(new**2) - local_pod(old**2)).norm(dim=1).mean()
        assert torch.allclose(local_pod_distance(new, old), expected, rtol=1e-9)

    def test_gradient_equals_finite_differences(self):
        new, old = pair(2, 2, 5, 4)
        assert torch.autograd.gradcheck(
            lambda x: local_pod_distance(x, old), new.requires_grad_(), atol=1e-6
        )

    def test_equal_maps_have_distance_and_gradient_zero(self):
        new = torch.randn(2, 3, 8, 8, requires_grad=True)
        loss = local_pod_distance(new, new.detach())
        loss.backward()
        assert loss.item() == 0
        assert new.grad.abs().max().item() == 0

    def test_one_equal_image_leaves_the_gradient_of_the_other(self):
        new, old = pair(2, 3, 8, 8)
        new[0] = old[0]
        new.requires_grad_()
        local_pod_distance(new, old).backward()
        assert new.grad.isfinite().all()
        assert new.grad[0].abs().max() == 0
        assert new.grad[1].abs().max() > 0

    @pytest.mark.parametrize("difference", [1e-12, 1e-25, 1e-40])
    def test_tiny_differences_have_a_finite_gradient(self, difference):
        old = torch.ones(1, 1, 4, 4) * 1e-3
        new = (old + difference).requires_grad_()
        local_pod_distance(new, old).backward()
        assert new.grad.isfinite().all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_squares_of_half_precision_maps_do_not_overflow(self, dtype):
        # 300^2 is above float16's greatest number.
        new = torch.full((1, 2, 4, 4), 3e4, dtype=dtype).requires_grad_()
        old = torch.full((1, 2, 4, 4), 300.0, dtype=dtype)
        with torch.autocast("cpu", torch.bfloat16):
            loss = local_pod_distance(new, old)
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        # Two channels, each 2 * 4 means at scale 1, 2 * 8 at 2 and 2 * 16 at 4.
        expected = 112**0.5 * (new.float()[0, 0, 0, 0] ** 2 - 300**2)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        (loss * 1e-6).backward()
        assert new.grad.isfinite().all()

    def test_maps_smaller_than_every_scale_do_not_count(self):
        new, old = (x.requires_grad_() for x in pair(2, 3, 1, 1))
        loss = local_pod_distance(new, old, [2, 4])
        loss.backward()
        assert loss.item() == 0
        assert new.grad.abs().max() == 0


class TestClasses:
    def test_new_classes_are_added_to_the_background(self):
        logits = torch.tensor([1.0, 2, 3, 10, 20]).view(1, 5, 1, 1)
        assert merge_new_classes(logits, 3).flatten().tolist() == [31.0, 2.0, 3.0]

    def test_nothing_changes_without_new_classes_or_background(self):
        logits = torch.randn(2, 5, 3, 3)
        assert torch.equal(merge_new_classes(logits, 5), logits)
        assert torch.equal(merge_new_classes(logits, 3, background=False), logits[:, :3])

    def test_half_precision_sums_do_not_overflow(self):
        logits = torch.full((1, 4, 1, 1), 6e4, dtype=torch.float16)
        assert merge_new_classes(logits, 1).item() == pytest.approx(4 * 6e4, rel=1e-2)


def test_layers_are_weighted_and_averaged():
    new, old = zip(*(pair(2, 3, s, s) for s in (8, 4, 2)), strict=True)
    each = [local_pod_distance(x, y).item() for x, y in zip(new, old, strict=True)]
    expected = (0.01 * each[0] + 0.01 * each[1] + 5e-4 * each[2]) / 3
    found = local_pod_loss(new, old, [0.01, 0.01, 5e-4])
    assert found.item() == pytest.approx(expected, rel=1e-9)
