"""Reading one sample for the class index: checks of image and mask, pixels per id."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_files import decoding
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX

MASK_VALUES = 256

_BYTE_MODES = ("P", "L")
_OTHER_INDEX_MODES = ("1", "I", "I;16", "I;16L", "I;16B", "I;16N")
_ORIENTATION_TAG = 0x0112
_SHOWN_IDS = 10
_SHOWN_PROBLEMS = 5
_TURNED = " Images are turned as their EXIF data say; a mask must be of the turned image."


def scan_mask(image_path: str, mask_path: str, num_classes: int) -> np.ndarray:
    """Pixels per id of one mask, ``(256,)`` int64, after checking it and its image.

    Valid are the ids 0 to ``num_classes - 1`` and 255 (no label).
    """
    values, counts = _checked_counts(mask_path, image_path, _checked_image_size(image_path))
    invalid = ((values < 0) | (values >= num_classes)) & (values != IGNORE_INDEX)
    if invalid.any():
        ids = [str(value) for value in values[invalid]]
        shown = ", ".join(ids[:_SHOWN_IDS]) + (", ..." if len(ids) > _SHOWN_IDS else "")
        raise InputError(
            f"{mask_path}: the mask holds the id{'s' * (len(ids) > 1)} {shown}, which the data "
            f"set does not have; valid ids are 0 to {num_classes - 1} and "
            f"{IGNORE_INDEX} (ignored). Correct the mask or the number of classes."
        )
    dense = np.zeros(MASK_VALUES, dtype=np.int64)
    dense[values] = counts
    return dense


def _checked_counts(
    path: str, image_path: str, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The ids in a mask of an image of this size, and how often each is there."""
    with decoding(path, "mask"), Image.open(path) as mask:
        if mask.mode not in _BYTE_MODES + _OTHER_INDEX_MODES:
            raise InputError(
                f"{path}: the mask has mode {mask.mode}, colours rather than class ids; an "
                f"index mask is needed (palette or grey PNG with one id per pixel). "
                f"{_way_out(mask)}"
            )
        if mask.tile and mask.tile[0][3] in ("L;2", "L;4"):
            raise InputError(
                f"{path}: a grey PNG of {mask.tile[0][3][2]} bits, whose values every reader "
                f"stretches to 0 to 255; write the mask with 8 bits."
            )
        if mask.size != size:
            raise InputError(
                f"{path}: the mask is {_text(mask.size)} pixels but its image {image_path} is "
                f"{_text(size)}; their sizes must be equal."
                + (_TURNED if mask.size == size[::-1] else "")
            )
        if mask.mode in _BYTE_MODES:
            counts = np.array(mask.histogram()[:MASK_VALUES], dtype=np.int64)
            values = np.flatnonzero(counts)
            return values, counts[values]
        return np.unique(np.asarray(mask).astype(np.int64), return_counts=True)


def _checked_image_size(path: str) -> tuple[int, int]:
    """Width and height of an image that is not truncated."""
    with decoding(path), Image.open(path) as image:
        size = image.size
        # Decoders turn an image by its EXIF tag; a mask carries no such tag.
        if "exif" in image.info and image.getexif().get(_ORIENTATION_TAG, 1) >= 5:
            size = size[::-1]
        if image.format == "PNG":
            # Every chunk to the last; far faster than decoding, which accepts a missing end.
            image.verify()
        else:
            # A JPEG at an eighth of its size.
            image.draft("L", (1, 1))
            image.load()
        return size


def _way_out(mask: Image.Image) -> str:
    """How a mask with several channels becomes one of ids."""
    channels = [np.asarray(channel) for channel in mask.convert("RGB").split()]
    if all((channel == channels[0]).all() for channel in channels):
        return "Its channels are equal: keep one (Pillow: Image.open(FILE).getchannel(0))."
    return (
        "Turn every colour into the id of its class: tools/dataset_converters/colour_masks.py "
        "(see 'Masks in colours' in own_data.md)."
    )


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def unusable(problems: Sequence[str], total: int) -> InputError:
    """One error for what is wrong with samples: the first five, and how many more."""
    if len(problems) == 1:
        return InputError(problems[0])
    lines = [f"{len(problems)} of {total} samples cannot be used:"]
    lines += [f"  {problem}" for problem in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        lines.append(f"  ... and {len(problems) - _SHOWN_PROBLEMS} more.")
    return InputError("\n".join(lines))
