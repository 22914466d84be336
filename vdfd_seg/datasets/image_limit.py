"""Opening images, with a limit on what a few kilobytes may decompress to."""

import os
import warnings
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
        raise InputError(f"{path}: {bomb(error)}") from error
    except Exception:  # Pillow's decoders raise all kinds; the caller's decoder will say it.
        return


def open_image(path: str | Path, what: str = "image") -> Image.Image:
    """An image file, decoded whole; messages call it ``what``.

    Raises:
        InputError: For an image over the limit, a damaged one, or none.
    """
    set_image_limit()
    try:
        with Image.open(path) as image:
            image.load()
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {bomb(error)}") from error
    except Exception as error:  # Pillow's decoders raise all kinds.
        raise InputError(
            f"{path}: this {what} is damaged, truncated or no image ({error})."
        ) from error
    return image


def bomb(error: Exception) -> str:
    """What to say after the file's name where Pillow refuses."""
    return (
        f"too large an image ({error}) cut it up, or set {VARIABLE} to a greater number if you "
        f"trust it."
    )
