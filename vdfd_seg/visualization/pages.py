"""Pictures put together: below each other, side by side, with captions."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from vdfd_seg.visualization.overlay import FONT_SIZE, Palette, colourise, drawable, legend, overlay


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
