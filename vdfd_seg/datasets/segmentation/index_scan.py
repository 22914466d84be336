"""Reading one sample for the class index: checks of image and mask, pixels per id."""

import os
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_limit import bomb, set_image_limit
from vdfd_seg.errors import InputError

MASK_VALUES = 256

_BYTE_MODES = ("P", "L")
_OTHER_INDEX_MODES = ("1", "I", "I;16", "I;16L", "I;16B", "I;16N")
_UNREADABLE = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
    Image.DecompressionBombError,
)  # fmt: skip
_ORIENTATION_TAG = 0x0112
_SHOWN_IDS = 10
_SHOWN_PROBLEMS = 5
_TURNED = " Images are turned as their EXIF data say; a mask must be of the turned image."


class SampleError(Exception):
    """What is wrong with one sample; the message names the file and what to do."""


class MaskScanner:
    """Counts the pixels per id of one mask after checking it and its image.

    Args:
        num_classes: Ids 0 to ``num_classes - 1`` are classes.
        ignore_index: The id of pixels without a label.
        class_names: Names of the classes, for messages only.
    """

    def __init__(
        self, num_classes: int, ignore_index: int, class_names: Sequence[str] | None = None
    ):
        valid = f"0 to {num_classes - 1}"
        if class_names:
            valid += f" ({class_names[0]} ... {class_names[-1]})"
        self._valid_text = f"{valid} and {ignore_index} (ignored)"
        self._invalid = np.ones(MASK_VALUES, dtype=bool)
        self._invalid[:num_classes] = False
        self._invalid[ignore_index] = False

    def __call__(self, pair: tuple[str, str]) -> np.ndarray | SampleError:
        """Pixels per id of the mask in ``pair``, ``(256,)`` int64.

        Args:
            pair: The paths of an image and of its mask.

        Returns:
            The counts, or (not raised, so that many samples can be reported together)
            the error that says what is wrong.
        """
        set_image_limit()
        image_path, mask_path = pair
        try:
            size = _checked_image_size(image_path)
            return self._counts(mask_path, image_path, size)
        except SampleError as error:
            return error

    def _counts(self, mask_path: str, image_path: str, size: tuple[int, int]) -> np.ndarray:
        if os.path.getsize(mask_path) == 0:
            raise SampleError(f"{mask_path}: the mask is empty (0 bytes); write it again.")
        try:
            with Image.open(mask_path) as mask:
                if mask.mode not in _BYTE_MODES + _OTHER_INDEX_MODES:
                    raise SampleError(
                        f"{mask_path}: the mask has mode {mask.mode}, colours rather than "
                        "class ids; an index mask is needed (palette or grey PNG with "
                        f"one id per pixel). {_way_out(mask)}"
                    )
                if mask.tile and mask.tile[0][3] in ("L;2", "L;4"):
                    raise SampleError(
                        f"{mask_path}: a grey PNG of {mask.tile[0][3][2]} bits, whose values every "
                        "reader stretches to 0 to 255; write the mask with 8 bits."
                    )
                if mask.size != size:
                    raise SampleError(
                        f"{mask_path}: the mask is {_text(mask.size)} pixels but its image "
                        f"{image_path} is {_text(size)}; their sizes must be equal."
                        + (_TURNED if mask.size == size[::-1] else "")
                    )
                values, counts = _value_counts(mask)
        except _UNREADABLE as error:
            raise SampleError(
                f"{mask_path}: the mask is damaged or truncated ({error}); write it again."
            ) from None
        outside = (values < 0) | (values >= MASK_VALUES)
        outside[~outside] = self._invalid[values[~outside]]
        if outside.any():
            raise SampleError(self._wrong_ids(mask_path, values[outside]))
        dense = np.zeros(MASK_VALUES, dtype=np.int64)
        dense[values] = counts
        return dense

    def _wrong_ids(self, mask_path: str, ids: np.ndarray) -> str:
        shown = ", ".join(str(value) for value in ids[:_SHOWN_IDS])
        more = ", ..." if len(ids) > _SHOWN_IDS else ""
        noun = "id" if len(ids) == 1 else "ids"
        return (
            f"{mask_path}: the mask holds the {noun} {shown}{more}, which the data set does "
            f"not have; valid ids are {self._valid_text}. Correct the mask or the number "
            "of classes."
        )


def _checked_image_size(path: str) -> tuple[int, int]:
    """Width and height of an image that is not truncated."""
    if os.path.getsize(path) == 0:
        raise SampleError(f"{path}: the image is empty (0 bytes); fetch it again.")
    try:
        with Image.open(path) as image:
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
    except Image.DecompressionBombError as error:
        raise SampleError(f"{path}: {bomb(error)}") from None
    except _UNREADABLE as error:
        raise SampleError(
            f"{path}: the image is damaged or truncated ({error}); fetch it again."
        ) from None


def _value_counts(mask: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    if mask.mode in _BYTE_MODES:
        counts = np.array(mask.histogram()[:MASK_VALUES], dtype=np.int64)
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(np.asarray(mask).astype(np.int64), return_counts=True)


def _way_out(mask: Image.Image) -> str:
    """How a mask with several channels becomes one of ids."""
    channels = [np.asarray(channel) for channel in mask.convert("RGB").split()]
    if all((channel == channels[0]).all() for channel in channels):
        return "Its channels are equal: keep one (Pillow: Image.open(FILE).getchannel(0))."
    return "Turn every colour into the id of its class (see 'Masks in colours' in own_data.md)."


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
