import numpy as np
import pytest

from vdfd_seg.visualization.overlay import changes, comparison, grid, stacked

PALETTE = [(0, 0, 0), (200, 0, 0), (0, 0, 250)]


def flat(value, height, width):
    return np.full((height, width, 3), value, np.uint8)


def test_pictures_in_rows_and_columns_keep_every_part_and_fill_with_white():
    one, two = flat(10, 3, 5), flat(20, 2, 7)
    below = stacked([one, two])
    assert below.shape == (5, 7, 3)
    assert (
        (below[:3, :5] == one).all() and (below[3:] == two).all() and (below[:3, 5:] == 255).all()
    )
    page = grid([[one, two], [two, one]])
    assert page.shape == (3 + 8 + 3, 7 + 8 + 7, 3)
    whole = np.full_like(page, 255)
    whole[:3, :5], whole[:2, 15:], whole[11:13, :7], whole[11:, 15:20] = one, two, two, one
    np.testing.assert_array_equal(page, whole)


def test_changes_are_coloured_and_the_rest_is_pale_and_grey():
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    old = np.zeros((4, 4), np.uint8)
    new = old.copy()
    new[1, 2] = 2
    picture = changes(image, old, new, PALETTE)
    assert picture[1, 2].tolist() == [0, 0, 250]
    rest = np.delete(picture.reshape(-1, 3), 6, axis=0)
    assert (rest == rest[:, :1]).all() and rest.min() >= 170


@pytest.mark.parametrize(
    ("old", "background", "colours"),
    [
        (0, None, [(0, 0, 0), (200, 0, 0), (200, 0, 0)]),
        # The background is painted only where it is new.
        (1, 0, [(200, 0, 0), (100, 100, 100), (0, 0, 0)]),
    ],
)
def test_a_comparison_has_three_panels(old, background, colours):
    masks = {"A": np.full((30, 100), old), "B": np.full((30, 100), 1 - old)}
    page = comparison(flat(100, 30, 100), masks, PALETTE, 1.0, background, "changed")
    assert page.shape[1] == 3 * 100 + 2 * 8
    for left, colour in zip((0, 108, 216), colours):
        assert (page[-30:, left : left + 100] == colour).all()
