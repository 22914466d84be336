import sys

import numpy as np
import pytest

from vdfd_seg.visualization import colourise, default_palette, legend, overlay
from vdfd_seg.visualization.overlay import _fonts, drawable

PALETTE = [[0, 0, 0], [200, 0, 0], [0, 100, 50]]


def test_default_palette_is_vocs():
    palette = default_palette(21)
    # background, aeroplane, bicycle, person, tvmonitor
    assert [palette[index] for index in (0, 1, 2, 15, 20)] == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [0, 64, 128],
    ]  # fmt: skip
    assert len({tuple(colour) for colour in default_palette(256)}) == 256


def test_colourise():
    found = colourise(np.array([[0, 1], [2, 255]], dtype=np.uint8), PALETTE, void=(9, 8, 7))
    assert found.dtype == np.uint8
    assert found.tolist() == [[[0, 0, 0], [200, 0, 0]], [[0, 100, 50], [9, 8, 7]]]
    assert colourise(np.array([[-1]]), PALETTE, void=(9, 8, 7)).tolist() == [[[9, 8, 7]]]


def test_colourise_refuses():
    with pytest.raises(ValueError, match="two dimensions"):
        colourise(np.zeros((1, 2, 2), dtype=int), PALETTE)
    with pytest.raises(ValueError, match="RGB triples"):
        colourise(np.zeros((2, 2), dtype=int), [[0, 0]])
    with pytest.raises(ValueError, match="RGB triples"):
        colourise(np.zeros((2, 2), dtype=int), [[0, 0, 256]])


def test_overlay_blends_but_leaves_void():
    image = np.full((1, 2, 3), 100, dtype=np.uint8)
    found = overlay(image, np.array([[1, 255]]), PALETTE, alpha=0.25)
    assert found.tolist() == [[[125, 75, 75], [100, 100, 100]]]
    assert np.array_equal(overlay(image, np.array([[1, 2]]), PALETTE, alpha=0), image)
    assert np.array_equal(
        overlay(image, np.array([[1, 2]]), PALETTE, alpha=1), colourise(np.array([[1, 2]]), PALETTE)
    )


def test_overlay_leaves_the_background():
    image = np.full((1, 3, 3), 100, dtype=np.uint8)
    found = overlay(image, np.array([[0, 1, 255]]), PALETTE, alpha=0.25, background=1)
    assert found[0, 1:].tolist() == [[100] * 3] * 2 and found[0, 0].tolist() != [100] * 3
    found = overlay(image, np.array([[0, 1, 255]]), PALETTE, alpha=1, background=0)
    assert found[0].tolist() == [[100] * 3, list(PALETTE[1]), [100] * 3]


def test_overlay_refuses():
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="do not fit"):
        overlay(image, np.zeros((2, 3), dtype=int), PALETTE)
    with pytest.raises(ValueError, match="alpha"):
        overlay(image, np.zeros((2, 2), dtype=int), PALETTE, alpha=1.5)


def test_legend_shows_every_colour_and_grows_with_the_classes():
    small = legend(["a", "b", "c"], PALETTE, width=300)
    assert small.shape[1:] == (300, 3)
    shown = {tuple(colour) for colour in small.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in PALETTE} <= shown
    assert len(legend(["name"] * 40, default_palette(40), width=300)) > len(small)


@pytest.mark.parametrize("name", ["ü", "ß", "é", "e\u0301", "Ł", "д", "λ", "道", "길", "क"])
def test_legend_of_names_beyond_ascii(name):
    text, font = drawable(name, 14)
    missing = bytes(font.getmask("\U000f0000"))
    assert all(bytes(font.getmask(letter)) != missing for letter in text)
    # One letter, or its number where no font has it.
    assert len(text) == 1 or text == name.encode("ascii", "backslashreplace").decode()
    assert not np.array_equal(legend([name], PALETTE), legend(["\U000f0000"], PALETTE))


def test_letters_of_no_font_are_written_as_numbers(monkeypatch):
    own = next(_fonts())
    for fonts in ([own], [own, "/no/font"]):
        # The package's overlay is the function.
        module = sys.modules["vdfd_seg.visualization.overlay"]
        monkeypatch.setattr(module, "_fonts", lambda f=fonts: iter(f))
        drawable.cache_clear()
        assert drawable("道 für 길", 14)[0] == r"\u9053 für \uae38"
    drawable.cache_clear()


def test_legend_makes_room_for_a_long_name():
    assert legend(["a very long class name " * 4], PALETTE, width=50).shape[1] > 400


def test_legend_refuses_more_classes_than_colours():
    with pytest.raises(ValueError, match="4 classes but 3 colours"):
        legend(["a", "b", "c", "d"], PALETTE)
