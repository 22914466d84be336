"""CIFAR-100: its official Python archive, and its conversion to arrays."""

import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vdfd_seg.datasets.classification.arrays import ImageArrays, read_arrays, write_arrays
from vdfd_seg.datasets.classification.folder import read_image_folder
from vdfd_seg.datasets.conversion.archives import read_members
from vdfd_seg.datasets.conversion.restricted_pickle import load_restricted
from vdfd_seg.errors import InputError

SPLITS = ("train", "test")

_FOLDER, _META = "cifar-100-python", "meta"
_SIDE = 32
_ROW = 3 * _SIDE * _SIDE
_MAX_MEMBER = 2**30
_EXPECTED = f"the '{_FOLDER}' folder or archive of CIFAR-100"


def read_cifar100_python(
    source: str | Path, split: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read a split of the official archive of CIFAR-100 for Python.

    The archive is read in memory, and its pickles without running anything that they hold.

    Args:
        source: The folder ``cifar-100-python``, a folder that holds it, or the ``.tar.gz``.
        split: ``"train"`` or ``"test"``.

    Returns:
        Images ``(N, 32, 32, 3)`` uint8, fine labels ``(N,)`` int64, and the names of the fine
        classes.

    Raises:
        InputError: A source that is missing, damaged or something else.
    """
    if split not in SPLITS:
        raise InputError(f"CIFAR-100 has the splits {' and '.join(SPLITS)}, not '{split}'.")
    source = Path(source)
    read = _from_folder if source.is_dir() else _from_archive
    (meta_name, meta), (name, batch) = (
        (place, load_restricted(io.BytesIO(content), place))
        for place, content in read(source, (_META, split))
    )
    classes = _entry(meta, "fine_label_names", meta_name, _is_names, "a list of names")
    rows = _entry(batch, "data", name, _is_table, "a table of bytes")
    labels = _entry(batch, "fine_labels", name, _is_numbers, "a list of integers")
    if rows.shape[1] != _ROW:
        raise InputError(f"{name}: rows of {rows.shape[1]} bytes in 'data', not {_ROW}.")
    if len(labels) != len(rows):
        raise InputError(f"{name}: {len(labels)} labels for {len(rows)} images; fetch it again.")
    for index, label in enumerate(labels):
        if not 0 <= label < len(classes):
            raise InputError(
                f"{name}: label {label} at index {index} is none of the {len(classes)} classes."
            )
    # A row is the red plane, the green one and the blue one.
    planes = np.asarray(rows).reshape(-1, 3, _SIDE, _SIDE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    names = tuple(label.decode("utf-8", "replace") for label in classes)
    return images, np.array(labels, dtype=np.int64), names


def convert_cifar100(
    source: str | Path, target: str | Path, tile: int | None = None
) -> dict[str, ImageArrays]:
    """Convert CIFAR-100, or another data set in folders of images, to arrays.

    Args:
        source: What :func:`read_cifar100_python` reads, or a folder with ``train`` and ``test``
            as :func:`read_image_folder` reads them. Which of the two is found out.
        target: Folder for the arrays; splits that it holds are replaced, once both splits of
            the source have been read without an error.
        tile: Side of the tiles, where every class is one sheet of tiles.

    Returns:
        The converted splits, ``"train"`` and ``"test"``.

    Raises:
        InputError: A source that cannot be used, or a target that cannot be written.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source}: there is no such file or folder; expected {_EXPECTED}.")
    if _is_image_folder(source):
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


def _is_image_folder(source: Path) -> bool:
    return (source / SPLITS[0]).is_dir() and not (source / _FOLDER).is_dir()


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


def _from_folder(source: Path, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    folder = source / _FOLDER if (source / _FOLDER).is_dir() else source
    found = []
    for name in names:
        path = folder / name
        if not path.is_file():
            raise _not_cifar100(path, any(folder.glob("data_batch*")))
        try:
            found.append((str(path), path.read_bytes()))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    return found


def _from_archive(source: Path, names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    seen = []

    def wanted(name: str) -> bool:
        seen.append(PurePosixPath(name))
        return seen[-1].parts[-2:-1] == (_FOLDER,) and seen[-1].name in names

    read = read_members(source, wanted, _EXPECTED, progress=False, most=_MAX_MEMBER)
    found = {PurePosixPath(name).name: (f"{source}: {name}", data) for name, data in read}
    for name in names:
        if name not in found:
            cifar10 = any(path.name.startswith("data_batch") for path in seen)
            raise _not_cifar100(f"{source}: {_FOLDER}/{name}", cifar10)
    return [found[name] for name in names]


def _not_cifar100(place: str | Path, cifar10: bool) -> InputError:
    hint = " This looks like CIFAR-10." if cifar10 else ""
    return InputError(f"{place}: this file is missing; expected {_EXPECTED}.{hint}")


def _entry(content: object, key: str, name: str, fits: Callable[[Any], bool], what: str) -> Any:
    """What the pickled dictionary of the file ``name`` holds under ``key``."""
    content = content if isinstance(content, dict) else {}
    if key.encode() not in content:
        cifar10 = b"labels" in content or b"label_names" in content
        hint = " This looks like CIFAR-10." if cifar10 else ""
        raise InputError(f"{name}: holds no '{key}'; expected {_EXPECTED}.{hint}")
    if not fits(content[key.encode()]):
        raise InputError(f"{name}: '{key}' is not {what}; expected {_EXPECTED}.")
    return content[key.encode()]


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(name) is bytes for name in value)


def _is_table(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 2


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(type(label) is int for label in value)
