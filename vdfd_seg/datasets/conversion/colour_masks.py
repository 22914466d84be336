"""Masks whose classes are colours, as masks of class ids."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_files import find_images, open_image
from vdfd_seg.datasets.written_folder import png_palette
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.files import atomic_write_image, writable_dir

Colour = tuple[int, int, int]

_TRIPLE = re.compile(r"(?<!\d)(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})(?!\d)")
_UNLISTED = 256


def read_colours(path: str | Path) -> list[Colour]:
    """The colours of a table: a line for each class, in the order of the ids.

    A line holds red, green and blue, with the class's name before or after them or without it
    (``128 0 0 apple``, ``apple,128,0,0``, ``apple:128,0,0::``). Blank lines and those that start
    with ``#`` are passed over.
    """
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError(f"colour table '{path}' cannot be read: {error}") from error
    colours: list[Colour] = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _TRIPLE.search(line)
        red, green, blue = (int(value) for value in found.groups()) if found else (-1, 0, 0)
        colour = (red, green, blue)
        if not 0 <= min(colour) <= max(colour) <= 255 or colour in colours:
            problem = "is listed twice" if colour in colours else "is no colour of three numbers"
            raise InputError(
                f"colour table '{path}', line {number}: '{line.strip()}' {problem} (0 to 255); a "
                f"line is one class's, '#' starts one that is none."
            )
        colours.append(colour)
    if not 0 < len(colours) <= IGNORE_INDEX:
        raise InputError(
            f"colour table '{path}' has {len(colours)} colours, not 1 to {IGNORE_INDEX}."
        )
    return colours


def convert_colour_masks(
    source: str | Path, target: str | Path, colours: Sequence[Colour], unlisted_void: bool = False
) -> int:
    """Write a mask of ids, as PNG with the same palette, for every image below a folder.

    Args:
        source, target: The folder of masks in colours, and the new one with the same folders.
        colours: That of each class; its place is the id.
        unlisted_void: Other colours are pixels without a label, 255, instead of an error.

    Returns:
        How many masks were written.
    """
    source, target = Path(source), Path(target)
    if source.is_file():
        raise InputError(f"'{source}' is not a folder of masks in colours.")
    files = find_images(source)
    if source.resolve() in (target.resolve(), *target.resolve().parents):
        raise InputError(f"'{target}' lies in the folder of the masks in colours; name another.")
    writable_dir(target, "the new folder")
    ids = np.full(2**24, IGNORE_INDEX if unlisted_void else _UNLISTED, np.uint16)
    ids[[_code(*colour) for colour in colours]] = range(len(colours))
    palette = png_palette(colours)
    for path in files:
        pixels = np.asarray(open_image(path, "mask").convert("RGB"), np.uint32)
        red, green, blue = np.moveaxis(pixels, -1, 0)
        mask = ids[_code(red, green, blue)]
        others = mask == _UNLISTED
        if others.any():
            first = tuple(int(channel[others][0]) for channel in (red, green, blue))
            raise InputError(
                f"mask '{path}': {others.sum()} pixels have colours that the table does not have, "
                f"among them {first}; add them, or give --unlisted-void to leave these pixels "
                f"without a label."
            )
        written = Image.fromarray(mask.astype(np.uint8))
        written.putpalette(palette)
        file = target / path.relative_to(source).with_suffix(".png")
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_image(file, written)
    return len(files)


def _code(red, green, blue):
    """A colour as one number."""
    return red << 16 | green << 8 | blue
