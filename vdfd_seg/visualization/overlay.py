"""Pictures of segmentations: coloured masks, overlays, legends, and these put together."""

import functools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def as_rgb(image: np.ndarray) -> np.ndarray:
    """``(H, W, 3)`` uint8 of an image that may be grey or of floats in 0..255."""
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] not in (3, 4):
        image = np.repeat(image[..., :1], 3, axis=2)
    return np.clip(np.rint(image[..., :3]), 0, 255).astype(np.uint8)


def grid(rows: Sequence[Sequence[np.ndarray]], gap: int = 8) -> np.ndarray:
    """Pictures ``(h, w, 3)`` in rows and columns, ``gap`` pixels apart, top left in white cells."""
    heights = [max(part.shape[0] for part in row) for row in rows]
    widths = [max(part.shape[1] for part in column) for column in zip(*rows, strict=True)]
    size = [sum(sides) + gap * (len(sides) - 1) for sides in (heights, widths)]
    page = np.full((*size, 3), 255, np.uint8)
    top = 0
    for row, height in zip(rows, heights):
        left = 0
        for part, width in zip(row, widths):
            page[top : top + part.shape[0], left : left + part.shape[1]] = part
            left += width + gap
        top += height + gap
    return page


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures ``(h, w, 3)`` below each other, left-aligned on white."""
    return grid([[part] for part in parts], gap=0)


def with_legend(
    picture: np.ndarray, labels: Iterable[int], classes: Sequence[str], palette: Palette
) -> np.ndarray:
    """A picture above the names and colours of the classes ``labels``, if there are any."""
    labels = list(labels)
    if not labels:
        return picture
    names, colours = [classes[i] for i in labels], [palette[i] for i in labels]
    return stacked([picture, legend(names, colours, picture.shape[1])])


def caption(text: str) -> np.ndarray:
    """A line of text on white, as wide as it needs."""
    text, font = drawable(text, FONT_SIZE)
    size = (round(font.getlength(text)) + FONT_SIZE, round(1.7 * FONT_SIZE))
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).text((2, size[1] / 2), text, fill="black", font=font, anchor="lm")
    return np.asarray(picture)


def changes(image: np.ndarray, old: np.ndarray, new: np.ndarray, palette: Palette) -> np.ndarray:
    """Where two masks differ, in the new class's colour; elsewhere the image, pale and grey.

    Args:
        image: ``(H, W, 3)`` uint8 RGB, as what is returned.
        old, new: ``(H, W)`` labels.
        palette: ``(C, 3)`` RGB of 0..255.
    """
    grey = np.rint(170 + image.mean(axis=2, keepdims=True) / 3)
    changed = (np.asarray(old) != np.asarray(new))[..., None]
    return np.where(changed, colourise(new, palette), grey).astype(np.uint8)


def comparison(
    image: np.ndarray,
    masks: Mapping[str, np.ndarray],
    palette: Palette,
    alpha: float = 0.5,
    background: int | None = None,
    changed: str = "",
) -> np.ndarray:
    """An overlay of each mask, side by side; right of two of them :func:`changes`, if asked for.

    Args:
        image, palette, alpha, background: As for :func:`~vdfd_seg.visualization.overlay`.
        masks: Masks ``(H, W)`` by their captions.
        changed: Caption of the changes. Default "": none are shown.
    """
    panels = {
        title: overlay(image, mask, palette, alpha, background) for title, mask in masks.items()
    }
    if changed:
        old, new = masks.values()
        panels[changed] = changes(image, old, new, palette)
    return grid([[stacked([caption(title), panel]) for title, panel in panels.items()]])


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
