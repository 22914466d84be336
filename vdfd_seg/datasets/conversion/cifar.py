"""CIFAR-100: its official Python archive, and its conversion to arrays."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vdfd_seg.datasets.classification.arrays import (
    ImageArrays,
    check_arrays,
    read_arrays,
    write_arrays,
)
from vdfd_seg.datasets.classification.folder import read_image_folder
from vdfd_seg.datasets.conversion.archives import unpack
from vdfd_seg.datasets.conversion.restricted_pickle import load_restricted
from vdfd_seg.errors import InputError

SPLITS = ("train", "test")

_FOLDER, _META = "cifar-100-python", "meta"
_SIDE = 32
_EXPECTED = f"the '{_FOLDER}' folder or archive of CIFAR-100"


def read_cifar100_python(
    source: str | Path, split: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read a split of CIFAR-100's official archive for Python, without running what it holds.

    Args:
        source: The folder ``cifar-100-python``, a folder that holds it, or the ``.tar.gz``.
        split: ``"train"`` or ``"test"``.

    Returns:
        Images ``(N, 32, 32, 3)`` uint8, and fine labels ``(N,)`` int64 and their names.
    """
    source = Path(source)
    with TemporaryDirectory() as place:
        folder = source
        if not source.is_dir():
            folder = Path(place)
            unpack(
                source, folder, [f"{_FOLDER}/{f}" for f in (_META, split)].__contains__, _EXPECTED
            )
        folder = folder / _FOLDER if (folder / _FOLDER).is_dir() else folder
        meta, batch = (_read(folder / name, source) for name in (_META, split))
    try:
        # A row is the red plane, the green one and the blue one.
        planes = np.asarray(batch[b"data"]).reshape(-1, 3, _SIDE, _SIDE)
        images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        labels = np.array(batch[b"fine_labels"])
        classes = tuple(name.decode("utf-8", "replace") for name in meta[b"fine_label_names"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise _other(source, f"'{split}' or '{_META}' hold other things ({problem})") from error
    check_arrays(images, labels, classes, [f"{source}: '{name}'" for name in (split, split, _META)])
    return images, labels.astype(np.int64), classes


def convert_cifar100(
    source: str | Path, target: str | Path, tile: int | None = None
) -> dict[str, ImageArrays]:
    """Convert CIFAR-100, or another data set in folders of images, to arrays.

    Args:
        source: What :func:`read_cifar100_python` reads, or a folder with ``train`` and ``test``
            as :func:`read_image_folder` reads them. Which of the two is found out.
        target: Folder for the arrays, whose splits are replaced once the source has been read.
        tile: Side of the tiles, where every class is one sheet of tiles.

    Returns:
        The converted splits, ``"train"`` and ``"test"``.
    """
    source = Path(source)
    if (source / SPLITS[0]).is_dir() and not (source / _FOLDER).is_dir():
        read = {split: read_image_folder(source, split, tile) for split in SPLITS}
    elif tile is not None:
        raise InputError(
            f"{source}: tiles are for a folder with the folders train and test; leave --tile out "
            "for the Python archive."
        )
    else:
        read = {split: read_cifar100_python(source, split) for split in SPLITS}
    _check_splits_agree(source, read)
    for split, (images, labels, classes) in read.items():
        write_arrays(target, split, images, labels, classes)
    return {split: read_arrays(target, split) for split in SPLITS}


def _check_splits_agree(source: Path, read: dict[str, tuple]) -> None:
    (train, _, classes), (test, _, test_classes) = read.values()
    if classes != test_classes:
        differing = sorted(set(classes) ^ set(test_classes)) or ["their order"]
        raise InputError(
            f"{source}: train and test do not have the same classes; they differ in "
            f"{', '.join(differing[:5])}."
        )
    if train.shape[1:] != test.shape[1:]:
        raise InputError(
            f"{source}: images of {train.shape[1:3]} in train but {test.shape[1:3]} in test; all "
            "must be of one size."
        )


def _read(file: Path, source: Path) -> dict[bytes, Any]:
    """What one of the pickles holds."""
    try:
        with file.open("rb") as opened:
            content = load_restricted(opened, f"{source}: {file.name}")
    except OSError as error:
        raise _other(source, f"'{file.name}' cannot be read ({error.strerror})") from error
    return content if isinstance(content, dict) else {}


def _other(source: Path, problem: str) -> InputError:
    return InputError(f"{source}: {problem}; expected {_EXPECTED}.")
