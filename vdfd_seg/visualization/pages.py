"""Pictures put together: below each other, side by side, with captions."""

from collections.abc import Iterable, Sequence

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


def stacked(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures ``(h, w, 3)`` below each other, left-aligned on white."""
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in parts]
    )


def side_by_side(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures ``(h, w, 3)`` next to each other, 8 pixels apart, top-aligned on white."""
    height = max(part.shape[0] for part in parts)
    columns = []
    for number, part in enumerate(parts):
        pads = ((0, height - part.shape[0]), (8 if number else 0, 0), (0, 0))
        columns.append(np.pad(part, pads, constant_values=255))
    return np.concatenate(columns, axis=1)


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
    masks: Sequence[np.ndarray],
    titles: Sequence[str],
    palette: Palette,
    alpha: float = 0.5,
    background: int | None = None,
) -> np.ndarray:
    """Two overlays, and right of them :func:`changes`.

    Args:
        image, palette, alpha, background: As for :func:`~vdfd_seg.visualization.overlay`.
        masks: Two masks ``(H, W)``.
        titles: Three captions.
    """
    panels = [overlay(image, mask, palette, alpha, background) for mask in masks]
    panels.append(changes(image, masks[0], masks[1], palette))
    return side_by_side([stacked([caption(title), panel]) for title, panel in zip(titles, panels)])
