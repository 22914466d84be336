"""Digits: a small data set for classification, made from what scikit-learn ships."""

import json
from pathlib import Path

import numpy as np
from filelock import FileLock

from vdfd_seg.datasets.classification.arrays import SUFFIXES, read_arrays, write_arrays
from vdfd_seg.errors import InputError
from vdfd_seg.registry import FUNCTIONS

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

_SPLITS = ("train", "test")
_EVERY = 5
_BRIGHTEST = 16


@FUNCTIONS.register_module()
def write_digits(root: str | Path) -> Path:
    """Write scikit-learn's 1,797 scanned digits as arrays, unless they are there already.

    Images are ``(8, 8, 3)``, grey. Every fifth image of each digit is for testing. Several
    processes may call at once: an empty lock file ``.NAME.lock`` stays beside the folder.

    Args:
        root: The data set's folder: absent, empty, or holding the digits (which are written
            again if they are incomplete).

    Returns:
        ``root``, for :func:`vdfd_seg.datasets.read_arrays` with ``"train"`` and ``"test"``.

    Raises:
        InputError: A ``root`` with other content or that cannot be written.
    """
    root = Path(root)
    if _is_finished(root):
        return root
    target = root.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock"):
            if not _is_finished(target):
                _refuse_foreign(target)
                _write(target)
    except OSError as error:
        raise InputError(
            f"{root}: the digits cannot be written here ({error}); name another folder."
        ) from error
    return root


def _is_finished(root: Path) -> bool:
    try:
        splits = [read_arrays(root, split) for split in _SPLITS]
    except InputError:
        return False
    return all(split.classes == CLASSES for split in splits)


def _refuse_foreign(root: Path) -> None:
    if not root.exists():
        return
    own = {f"{split}{suffix}" for split in _SPLITS for suffix in SUFFIXES}
    # A write that was killed leaves a temporary file, whose name starts with a dot.
    foreign = not root.is_dir() or any(
        path.name not in own and not path.name.startswith(".") for path in root.iterdir()
    )
    if foreign or any(_holds_others(root / f"{split}.json") for split in _SPLITS):
        raise InputError(
            f"{root}: there is something here that is not the digits; name a folder that does "
            "not exist yet or is empty."
        )


def _holds_others(description: Path) -> bool:
    try:
        return json.loads(description.read_text(encoding="utf-8"))["classes"] != list(CLASSES)
    except (OSError, ValueError, KeyError, TypeError):
        return False


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
