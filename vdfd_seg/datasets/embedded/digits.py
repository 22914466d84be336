"""Digits: a small data set for classification, made from what scikit-learn ships."""

import json
from pathlib import Path

import numpy as np

from vdfd_seg.datasets.classification.arrays import SUFFIXES, read_arrays, write_arrays
from vdfd_seg.datasets.written_folder import write_folder
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.digits import CLASSES
from vdfd_seg.registry import FUNCTIONS

_SPLITS = ("train", "test")
_EVERY = 5
_BRIGHTEST = 16


@FUNCTIONS.register_module()
def write_digits(root: str | Path) -> Path:
    """Write scikit-learn's 1,797 scanned digits as arrays, unless they are there already.

    Images are ``(8, 8, 3)``, grey. Every fifth image of each digit is for testing. Several
    processes may call at once.

    Args:
        root: The data set's folder: absent, empty, or holding the digits, whole or not.

    Returns:
        ``root``, for :func:`vdfd_seg.datasets.read_arrays` with ``"train"`` and ``"test"``.
    """
    write_folder(root, "the digits", _is_finished, _is_own, _write)
    return Path(root)


def _is_finished(root: Path) -> bool:
    try:
        splits = [read_arrays(root, split) for split in _SPLITS]
    except InputError:
        return False
    return all(split.classes == CLASSES for split in splits)


def _is_own(root: Path) -> bool:
    files = {f"{split}{suffix}" for split in _SPLITS for suffix in SUFFIXES}
    if not root.is_dir() or not {path.name for path in root.iterdir()} <= files:
        return False
    return all(_is_digits(root / f"{split}.json") for split in _SPLITS)


def _is_digits(description: Path) -> bool:
    """Whether a split's description says so, or is missing or damaged."""
    try:
        return json.loads(description.read_text(encoding="utf-8"))["classes"] == list(CLASSES)
    except (OSError, ValueError, KeyError, TypeError):
        return True


def _write(root: Path) -> None:
    # Half a second to import, and needed only once.
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    grey = np.rint(scans.reshape(-1, 8, 8) * (255 / _BRIGHTEST)).astype(np.uint8)
    images = np.repeat(grey[..., None], 3, axis=-1)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(len(CLASSES)):
        test[np.flatnonzero(labels == digit)[_EVERY - 1 :: _EVERY]] = True
    for split, chosen in zip(_SPLITS, (~test, test), strict=True):
        write_arrays(root, split, images[chosen], labels[chosen], CLASSES)
