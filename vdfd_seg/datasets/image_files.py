"""Image files below a folder."""

import os
from pathlib import Path

import numpy as np

from vdfd_seg.errors import InputError, warn

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def visible_files(folder: str | Path) -> list[str]:
    """The files below a folder that are not hidden, nor in a hidden folder.

    Links are followed; a folder that is reached in several ways counts once.
    """
    found, seen = [], set()
    for where, folders, files in os.walk(folder, followlinks=True):
        # Or a link to a folder above would never end.
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else sorted(f for f in folders if f[0] != ".")
        if real not in seen:
            found += [os.path.join(where, file) for file in files if file[0] != "."]
        seen.add(real)
    return found


def find_images(path: str | Path, out: str | Path | None = None) -> list[Path]:
    """An image, or the images below a folder; what else is there is counted in one warning.

    Args:
        path: The file or folder, see :func:`visible_files`.
        out: Where pictures are written: what is in this folder, below ``path``, is left out.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"image '{path}' does not exist.")
        return [path]
    own = os.path.realpath(out) if out is not None else None
    if own == os.path.realpath(path):
        raise InputError(
            f"--out '{out}' would overwrite the input or be read as input the next time; give a "
            f"folder of its own."
        )
    files = [Path(file) for file in visible_files(path)]
    if own is not None and own.startswith(os.path.join(os.path.realpath(path), "")):
        files = [file for file in files if not os.path.realpath(file).startswith(f"{own}{os.sep}")]
    found = sorted(file for file in files if file.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise InputError(f"'{path}' holds no images ({', '.join(IMAGE_SUFFIXES)}).")
    if len(found) < len(files):
        kinds = {file.suffix or file.name for file in files} - {file.suffix for file in found}
        warn(
            f"{len(files) - len(found)} files in '{path}' are left out, being no images "
            f"({', '.join(IMAGE_SUFFIXES)}): {', '.join(sorted(kinds))}"
        )
    return found


def check_array(image: np.ndarray) -> None:
    """Refuse an array that is no image ``(H, W, 3)`` uint8 RGB."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"an array must be an image (H, W, 3) of uint8 in RGB, not {image.shape} of "
            f"{image.dtype}."
        )
