"""Image files: found below a folder, and opened with a limit on what they may decompress to."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from vdfd_seg.errors import InputError, warn

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")

VARIABLE = "VDFD_SEG_MAX_PIXELS"
DEFAULT = 178_956_970
"""Pixels: 512 MiB in RGB, Pillow's own limit."""

# Pillow warns at half of the limit.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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


def set_image_limit() -> None:
    """Make Pillow refuse images of more pixels than ``$VDFD_SEG_MAX_PIXELS`` by their headers."""
    text = os.environ.get(VARIABLE, "")
    if text and not (text.isascii() and text.isdigit() and int(text)):
        raise InputError(f"{VARIABLE}='{text}' must be a number of pixels above 0.")
    # Pillow refuses what is over twice this number.
    Image.MAX_IMAGE_PIXELS = (int(text or DEFAULT) + 1) // 2


def check_image_size(path: str | Path) -> None:
    """Refuse an image over the limit by its header; whatever else is wrong shows in decoding."""
    set_image_limit()
    try:
        Image.open(path).close()
    except Image.DecompressionBombError as error:
        raise _too_large(path, error) from error
    except Exception:  # Pillow's decoders raise all kinds; the caller's decoder will say it.
        return


@contextmanager
def decoding(path: str | Path, what: str = "image") -> Iterator[None]:
    """Inside, what Pillow raises of a file becomes an :class:`InputError`, which calls it ``what``.

    An image over the limit is refused.
    """
    set_image_limit()
    try:
        yield
    except (InputError, MemoryError):
        raise
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(f"{path}: this {what} cannot be opened ({error.strerror}).") from error
    except Image.DecompressionBombError as error:
        raise _too_large(path, error) from error
    except Exception as error:  # Pillow's decoders raise all kinds.
        problem = f"this {what} is damaged, truncated or no image ({error})"
        raise InputError(f"{path}: {problem}; fetch or write it again.") from error


def open_image(path: str | Path, what: str = "image") -> Image.Image:
    """An image file, decoded whole, as :func:`decoding` has it."""
    with decoding(path, what), Image.open(path) as image:
        image.load()
    return image


def _too_large(path: str | Path, error: Exception) -> InputError:
    return InputError(
        f"{path}: too large an image ({error}) cut it up, or set {VARIABLE} to a greater number "
        f"if you trust it."
    )
