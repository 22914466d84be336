"""Opening images, with a limit on what a few kilobytes may decompress to."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from vdfd_seg.errors import InputError

VARIABLE = "VDFD_SEG_MAX_PIXELS"
DEFAULT = 178_956_970
"""Pixels: 512 MiB in RGB, Pillow's own limit."""

# Pillow warns at half of the limit.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
