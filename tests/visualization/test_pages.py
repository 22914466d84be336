import numpy as np
import pytest

from vdfd_seg.visualization.pages import changes, comparison

PALETTE = [(0, 0, 0), (200, 0, 0), (0, 0, 250)]


def flat(value, height, width):
    return np.full((height, width, 3), value, np.uint8)


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
    masks = [np.full((30, 100), label) for label in (old, 1 - old)]
    titles = ("A", "B", "changed")
    page = comparison(flat(100, 30, 100), masks, titles, PALETTE, 1.0, background)
    assert page.shape[1] == 3 * 100 + 2 * 8
    for left, colour in zip((0, 108, 216), colours):
        assert (page[-30:, left : left + 100] == colour).all()
