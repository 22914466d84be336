import sys

import numpy as np
import pytest

from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.visualization import colourise, legend, overlay
from vdfd_seg.visualization.overlay import _fonts, drawable

PALETTE = [[0, 0, 0], [200, 0, 0], [0, 100, 50]]


def test_default_palette_is_vocs():
    palette = default_palette(256)
    # background, aeroplane, bicycle, person, tvmonitor
    assert [palette[index] for index in (0, 1, 2, 15, 20)] == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [0, 64, 128],
    ]  # fmt: skip
    assert len({tuple(colour) for colour in palette}) == 256


def test_colourise():
    found = colourise(np.array([[0, 1], [2, 255]], dtype=np.uint8), PALETTE)
    assert found.dtype == np.uint8
    assert found.tolist() == [[[0, 0, 0], [200, 0, 0]], [[0, 100, 50], [224, 224, 192]]]
    assert colourise(np.array([[-1]]), PALETTE).tolist() == [[[224, 224, 192]]]


def test_overlay_blends_but_leaves_void_and_background():
    image, mask = np.full((1, 3, 3), 100, dtype=np.uint8), np.array([[0, 1, 255]])
    void = [100] * 3
    blended = overlay(image, mask, PALETTE, alpha=0.25)
    assert blended.tolist() == [[[75, 75, 75], [125, 75, 75], void]]
    assert overlay(image, mask, PALETTE, 0.25, background=1).tolist() == [[[75] * 3, void, void]]
    assert np.array_equal(overlay(image, mask, PALETTE, alpha=0), image)
    assert overlay(image, mask, PALETTE, 1, background=0).tolist() == [[void, PALETTE[1], void]]


MASK, IMAGE = np.zeros((2, 2), dtype=int), np.zeros((2, 2, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: colourise(MASK[None], PALETTE), "two dimensions"),
        (lambda: colourise(MASK, [[0, 0, 256]]), "RGB triples"),
        (lambda: overlay(IMAGE, MASK[:1], PALETTE), "do not fit"),
        (lambda: overlay(IMAGE, MASK, PALETTE, alpha=1.5), "alpha"),
        (lambda: legend(["a", "b", "c", "d"], PALETTE), "4 classes but 3 colours"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_legend_shows_every_colour_and_grows_with_the_classes():
    small = legend(["a", "b", "c"], PALETTE, width=300)
    assert small.shape[1:] == (300, 3)
    shown = {tuple(colour) for colour in small.reshape(-1, 3).tolist()}
    assert {tuple(colour) for colour in PALETTE} <= shown
    assert len(legend(["name"] * 40, default_palette(40), width=300)) > len(small)
    assert legend(["a very long class name " * 4], PALETTE, width=50).shape[1] > 400


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
