"""A limit on what an image may decompress to: a few kilobytes can claim to be gigabytes."""

import os
import warnings
from pathlib import Path

from PIL import Image

from vdfd_seg.errors import InputError

VARIABLE = "VDFD_SEG_MAX_PIXELS"
DEFAULT = 178_956_970
"""Pixels: 512 MiB in RGB, where Pillow itself refuses."""

# Pillow warns of what is refused here anyway.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def max_pixels() -> int:
    """The largest number of pixels that is read, from ``$VDFD_SEG_MAX_PIXELS``.

    Raises:
        InputError: When the variable is no number above 0.
    """
    text = os.environ.get(VARIABLE, "")
    if text and not (text.isascii() and text.isdigit() and int(text)):
        raise InputError(f"{VARIABLE}='{text}' must be a number of pixels above 0.")
    limit = int(text) if text else DEFAULT
    # Pillow refuses twice this before its caller sees the size.
    Image.MAX_IMAGE_PIXELS = limit
    return limit


def absurd(path: str | Path, size: tuple[int, int]) -> str | None:
    """What to say of an image that is over the limit, None of one that is not.

    Args:
        path: The image's file.
        size: Width and height, from its header.
    """
    limit = max_pixels()
    if size[0] * size[1] <= limit:
        return None
    return (
        f"{path}: the image claims {size[0]}x{size[1]} pixels, over the limit of {limit}; cut it "
        f"up, or set {VARIABLE} to a greater number if you trust it."
    )


def check_image_size(path: str | Path) -> None:
    """Refuse an image over the limit by its header; whatever else is wrong shows in decoding.

    Raises:
        InputError: For an image over the limit.
    """
    max_pixels()
    try:
        with Image.open(path) as image:
            message = absurd(path, image.size)
    except Image.DecompressionBombError as error:
        message = f"{path}: {bomb(error)}"
    except Exception:  # Pillow's decoders raise all kinds; the caller's decoder will say it.
        return
    if message:
        raise InputError(message)


def bomb(error: Exception) -> str:
    """What to say after the file's name where Pillow itself refuses."""
    return (
        f"too large an image ({error}) cut it up, or set {VARIABLE} to a greater number if you "
        f"trust it."
    )
