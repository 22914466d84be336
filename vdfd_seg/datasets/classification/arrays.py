"""Data sets for classification as arrays: memory-mapped, so that opening one reads no image."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from vdfd_seg.errors import InputError, reading
from vdfd_seg.utils.files import atomic_write, atomic_write_text, writable_dir

VERSION = 1
SUFFIXES = ("_images.npy", "_labels.npy", ".json")
"""A split's files are its name with each of these."""

_CONVERTER = "python tools/dataset_converters/cifar100.py SOURCE ROOT"


@dataclass(frozen=True, eq=False)
class ImageArrays:
    """The images of one split of a data set for classification.

    Attributes:
        images: ``(N, H, W, 3)`` uint8, RGB; memory-mapped and read-only if read from files.
        labels: ``(N,)`` int64, each the index of a class.
        classes: Names of the classes.
        root: The data set's folder, for messages.
        images_sha256: SHA-256 of the images' bytes, where it is known beforehand.
    """

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    root: str
    images_sha256: str | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        """A name for each image: its position."""
        return list(map(str, range(len(self))))

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that follow the images, labels and classes, not the root."""
        images = self.images_sha256 or images_sha256(self.images)
        described = json.dumps([list(self.images.shape), list(self.classes), images])
        digest = hashlib.sha256(described.encode())
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()[:16]


def write_arrays(
    root: str | Path, split: str, images: np.ndarray, labels: np.ndarray, classes: Sequence[str]
) -> None:
    """Write one split, replacing what the split held.

    The description comes last: an interrupted split reads as missing, never as a mixture.

    Args:
        root: The data set's folder; made if it is absent.
        split: Name of the split, for instance ``"train"``.
        images: ``(N, H, W, 3)`` uint8, RGB.
        labels: ``(N,)`` of any integer type, each the index of one of ``classes``, their names.
    """
    files = _files(root, split)
    images, labels = np.asarray(images), np.asarray(labels)
    check_arrays(images, labels, classes, files)
    labels = labels.astype(np.int64)
    description = {
        "version": VERSION,
        "shape": list(images.shape),
        "images_sha256": images_sha256(images),
        "classes": list(classes),
    }
    folder = writable_dir(root, "folder of the data set")
    try:
        files[2].unlink(missing_ok=True)
        for path, array in zip(files, (images, labels), strict=False):
            atomic_write(path, partial(np.save, arr=array, allow_pickle=False))
        atomic_write_text(files[2], json.dumps(description, indent=1) + "\n")
    except OSError as error:
        raise InputError(
            f"{folder}: the split '{split}' cannot be written here ({error}); make room or name "
            "another folder."
        ) from error


def read_arrays(root: str | Path, split: str) -> ImageArrays:
    """Open a split that :func:`write_arrays` wrote; images are mapped into memory, not read."""
    files = _files(root, split)
    for path in files:
        if not path.is_file():
            raise InputError(
                f"{path}: this file is missing; the split '{split}' is absent or incomplete. Name "
                f"the folder of the data set, or write it again (CIFAR-100: '{_CONVERTER}')."
            )
    damaged = "damaged, truncated or not readable; write the data set again"
    with reading(f"{files[2]}: {damaged}"):
        stored = json.loads(files[2].read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ValueError(f"format {stored['version']}, this release reads {VERSION}")
        classes, shape = tuple(stored["classes"]), tuple(stored["shape"])
        digest = str(stored["images_sha256"])
    arrays = []
    for path in files[:2]:
        with reading(f"{path}: {damaged}"):
            # Not np.load: it would also open a zip archive that is named .npy.
            arrays.append(np.lib.format.open_memmap(path, mode="r"))
    images, labels = arrays
    if labels.dtype != np.int64:
        raise InputError(f"{files[1]}: labels must be int64, not {labels.dtype}; write it again.")
    check_arrays(images, labels, classes, files)
    if images.shape != shape:
        raise InputError(
            f"{files[0]}: images of shape {images.shape}, but {files[2].name} tells of "
            f"{shape}; the files do not belong together. Write them again."
        )
    return ImageArrays(images, np.array(labels), classes, str(root), digest)


def _files(root: str | Path, split: str) -> tuple[Path, Path, Path]:
    if not split or split.startswith(".") or Path(split).name != split:
        raise InputError(f"a split needs a plain name such as 'train', not '{split}'.")
    images, labels, description = (Path(root) / f"{split}{suffix}" for suffix in SUFFIXES)
    return images, labels, description


def check_arrays(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], files: Sequence[object]
) -> None:
    """Refuse arrays that are no split; ``files`` name images, labels and classes in messages."""
    named = not isinstance(classes, str) and all(isinstance(n, str) and n for n in classes)
    if not named or not classes or len(set(classes)) != len(classes):
        raise InputError(
            f"{files[2]}: classes must be different names, one at least, not {classes!r:.200}."
        )
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise InputError(
            f"{files[0]}: images must be (N, H, W, 3) of uint8, one at least, not {images.shape} "
            f"of {images.dtype}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise InputError(f"{files[1]}: labels must be integers, not {labels.dtype}.")
    if labels.shape != (len(images),):
        raise InputError(
            f"{files[1]}: labels must be (N,), one for each of the {len(images)} images, not "
            f"{labels.shape}."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(wrong):
        raise InputError(
            f"{files[1]}: label {labels[wrong[0]]} at index {wrong[0]} is none of the "
            f"{len(classes)} classes; labels go from 0 to {len(classes) - 1}."
        )


def images_sha256(images: np.ndarray) -> str:
    """SHA-256 (hexadecimal) of the images' bytes."""
    return hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
