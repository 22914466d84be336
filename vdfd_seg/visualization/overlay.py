"""Pictures of segmentations: coloured masks, overlays on the image, legends."""

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

Palette = Sequence[Sequence[int]] | np.ndarray

VOID_COLOUR = (224, 224, 192)
FONT_SIZE = 14
"""Height of letters in pixels."""


def colourise(mask: np.ndarray, palette: Palette) -> np.ndarray:
    """Give each class of a mask its colour, and VOC's cream to what is outside the palette.

    Args:
        mask: ``(H, W)`` integers, class indices.
        palette: ``(C, 3)`` RGB of 0..255.

    Returns:
        ``(H, W, 3)`` uint8 RGB.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"a mask has two dimensions, got shape {mask.shape}")
    colours = np.vstack([_checked(palette), np.array(VOID_COLOUR, dtype=np.uint8)])
    known = (mask >= 0) & (mask < len(palette))
    return colours[np.where(known, mask, len(palette))]


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    palette: Palette,
    alpha: float = 0.5,
    background: int | None = None,
) -> np.ndarray:
    """Blend the colours of a mask over an image: ``(1 - alpha) * image + alpha * colour``.

    Pixels of the background, and those whose index is outside the palette (void), show the image.

    Args:
        image: ``(H, W, 3)`` uint8 RGB.
        mask: ``(H, W)`` class indices.
        palette: ``(C, 3)`` RGB of 0..255.
        alpha: Weight of the colour, 0..1. Default 0.5.
        background: Its index, if there is one. Default None.

    Raises:
        ValueError: If image and mask differ in size or ``alpha`` is outside 0..1.
    """
    image, mask = np.asarray(image), np.asarray(mask)
    if image.shape != (*mask.shape, 3):
        raise ValueError(f"image {image.shape} and mask {mask.shape} do not fit: (H, W, 3), (H, W)")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in 0..1, not {alpha}")
    blended = (1 - alpha) * image + alpha * colourise(mask, palette)
    known = (mask >= 0) & (mask < len(palette)) & (mask != background)
    return np.where(known[..., None], np.rint(blended), image).astype(np.uint8)


def legend(classes: Sequence[str], palette: Palette, width: int = 480) -> np.ndarray:
    """A picture ``(h, w, 3)`` of class names with their colours, to stack under an overlay.

    Args:
        classes: Names in the order of the palette.
        palette: ``(C, 3)`` RGB of 0..255, at least as long as ``classes``; or ValueError.
        width: Width in pixels. Default 480. Widened to the longest name if that needs more.
    """
    colours = _checked(palette)
    if len(classes) > len(colours):
        raise ValueError(f"{len(classes)} classes but {len(colours)} colours")
    drawn = [drawable(name, FONT_SIZE) for name in classes]
    line, pad = round(FONT_SIZE * 1.7), round(FONT_SIZE * 0.6)
    # Spaces for names: a cell is swatch, gap, name, gap.
    longest = max((round(font.getlength(name)) for name, font in drawn), default=0)
    cell = longest + FONT_SIZE + 3 * pad
    width = max(width, cell + pad)
    columns = (width - pad) // cell
    rows = -(-len(classes) // columns)
    picture = Image.new("RGB", (width, rows * line + 2 * pad), "white")
    draw = ImageDraw.Draw(picture)
    for index, (name, font) in enumerate(drawn):
        left, top = pad + index % columns * cell, pad + index // columns * line
        box = (left, top, left + FONT_SIZE, top + FONT_SIZE)
        draw.rectangle(box, fill=tuple(colours[index].tolist()), outline="black")
        middle = top + FONT_SIZE / 2
        draw.text((left + FONT_SIZE + pad, middle), name, fill="black", font=font, anchor="lm")
    return np.asarray(picture)


@functools.cache
def drawable(text: str, size: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """A text as it can be drawn, and a font that has its letters.

    Beyond ASCII that is matplotlib's DejaVu Sans, or else any font of the system that has all
    letters of the text. Letters that no font has are written as in Python: ``\\u9053``.
    """
    if text.isascii():
        return text, ImageFont.load_default(size)
    text = unicodedata.normalize("NFC", text)
    for path in _fonts():
        if _letters(path).issuperset(text):
            return text, ImageFont.truetype(path, size)
    path = next(_fonts())
    known = _letters(path)
    escaped = [c if c in known else c.encode("ascii", "backslashreplace").decode() for c in text]
    return "".join(escaped), ImageFont.truetype(path, size)


def _fonts() -> Iterator[str]:
    yield str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf")
    # Looks through the system's fonts; not needed for most names.
    from matplotlib.font_manager import fontManager

    # A font of last resort has a box for every letter.
    yield from sorted({f.fname for f in fontManager.ttflist if "Last Resort" not in f.name})


@functools.cache
def _letters(font: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(font).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()


def _checked(palette: Palette) -> np.ndarray:
    colours = np.asarray(palette)
    if colours.ndim != 2 or colours.shape[1] != 3 or colours.min() < 0 or colours.max() > 255:
        raise ValueError("a palette is a list of RGB triples of 0..255")
    return colours.astype(np.uint8)
