"""Image files below a folder."""

from pathlib import Path

import numpy as np

from vdfd_seg.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def find_images(path: str | Path) -> list[Path]:
    """An image, or the images below a folder.

    Raises:
        InputError: When there is none.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InputError(f"'{path}' holds no images ({', '.join(IMAGE_SUFFIXES)}).")
        return found
    if not path.is_file():
        raise InputError(f"image '{path}' does not exist.")
    return [path]


def check_array(image: np.ndarray) -> None:
    """Refuse an array that is no image ``(H, W, 3)`` uint8 RGB.

    Raises:
        InputError: Naming its shape and type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise InputError(
            f"an array must be an image (H, W, 3) of uint8 in RGB, not {image.shape} of "
            f"{image.dtype}."
        )
