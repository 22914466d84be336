"""Images for classification in folders or in sheets of tiles, one of either per class."""

import re
from pathlib import Path

import numpy as np

from vdfd_seg.datasets.image_files import open_image
from vdfd_seg.errors import InputError

_NUMBERED = re.compile(r"(\d+)_(.+)")
_DEEP_MODES = ("I", "F")
_HIDDEN = ("Thumbs.db", "desktop.ini")  # On Windows.


def read_image_folder(
    source: str | Path, split: str, tile: int | None = None
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read a split whose classes are folders of images or, with ``tile``, sheets of tiles.

    Classes are sorted by name. A leading number, as in ``07_bicycle``, puts a class in its place
    and is not part of its name; names with a number come first. Names that start with a dot are
    passed over, and Windows' ``Thumbs.db`` and ``desktop.ini``.

    Args:
        source: Folder that holds the folder ``split``.
        split: Name of the split.
        tile: None for ``SOURCE/SPLIT/CLASS/IMAGE.ext``, all images of one size. Else the side of
            the square tiles in sheets ``SOURCE/SPLIT/CLASS.ext``, which are taken row by row.

    Returns:
        Images ``(N, H, W, 3)`` uint8, labels ``(N,)`` int64, and the names of the classes.
    """
    if tile is not None and tile < 1:
        raise InputError(f"the side of a tile must be a pixel or more, not {tile}.")
    folder = Path(source) / split
    entries = _classes(folder, tile)
    images, labels, size = [], [], None
    for label, path in enumerate(entries.values()):
        if tile is not None:
            tiles = _cut(read_image(path), tile, path)
            images.append(tiles)
            labels += [label] * len(tiles)
            continue
        members = _entries(path)
        if not members:
            raise InputError(f"{path}: this class has no image; add some or remove the folder.")
        for member in members:
            image = read_image(member)
            size = size or image.shape
            if image.shape != size:
                raise InputError(
                    f"{member}: {_text(image.shape)} pixels, but the images before it have "
                    f"{_text(size)}; all must be of one size."
                )
            images.append(image[None])
            labels.append(label)
    return np.concatenate(images), np.array(labels, dtype=np.int64), tuple(entries)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.name[0] != "." and path.name not in _HIDDEN
        )
    except OSError as error:
        raise InputError(
            f"{folder}: no folder that can be read ({error.strerror}); check the source."
        ) from error


def _classes(folder: Path, tile: int | None) -> dict[str, Path]:
    """Where each class is, by its name, in the order of the labels."""
    entries = _entries(folder)
    chosen = [path for path in entries if path.is_dir() == (tile is None)]
    if not chosen:
        wanted, hint = "sheets of tiles", "; for folders of images leave --tile out"
        if tile is None:
            wanted, hint = "folders of images", "; for sheets of tiles give --tile SIDE"
        hint = hint if entries else ""
        raise InputError(f"{folder}: holds no {wanted}, one per class{hint}.")
    ordered = []
    for path in chosen:
        name = path.name if tile is None else path.stem
        number = _NUMBERED.fullmatch(name)
        place = (0, int(number[1])) if number else (1, 0)
        ordered.append((place, number[2] if number else name, path))
    classes: dict[str, Path] = {}
    for _, name, path in sorted(ordered):
        if name in classes:
            raise InputError(
                f"{path}: the class '{name}' is also {classes[name].name}; rename one of them."
            )
        classes[name] = path
    return classes


def read_image(path: Path) -> np.ndarray:
    """An image as an array, ``(H, W, 3)`` uint8 RGB."""
    image = open_image(path)
    if image.mode.startswith(_DEEP_MODES):
        raise InputError(
            f"{path}: more than 8 bits per channel (mode {image.mode}); convert it to 8 bits."
        )
    return np.array(image.convert("RGB"))


def _cut(sheet: np.ndarray, tile: int, path: Path) -> np.ndarray:
    """The tiles of a sheet ``(H, W, 3)``, row by row: ``(N, tile, tile, 3)``."""
    height, width, _ = sheet.shape
    if height % tile or width % tile:
        raise InputError(
            f"{path}: {_text(sheet.shape)} pixels are not whole tiles of {tile}x{tile}; give the "
            "sheets' own tile side."
        )
    rows = sheet.reshape(height // tile, tile, width // tile, tile, 3).swapaxes(1, 2)
    return rows.reshape(-1, tile, tile, 3)


def _text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
