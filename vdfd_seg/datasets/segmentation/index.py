"""Which image of a data set holds how many pixels of which class."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from vdfd_seg.datasets.segmentation.index_cache import (
    cache_file,
    load_counts,
    save_counts,
)
from vdfd_seg.datasets.segmentation.index_scan import MASK_VALUES, scan_mask, unusable
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX

_THREADS = 16  # Decoding runs outside the interpreter's lock.
_BATCH = 1024


@dataclass(frozen=True, eq=False)
class ClassIndex:
    """Pixels per class and image of one split.

    Attributes:
        names: The images' names, unique, in the split's order.
        counts: ``(images, 256)`` int64, pixels per mask value; read-only.
        digest: SHA-256 (hexadecimal) over names and counts, in order.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    digest: str

    def __len__(self) -> int:
        return len(self.names)

    def pixels(self) -> np.ndarray:
        """Pixels per mask value over the whole split, ``(256,)`` int64."""
        return self.counts.sum(axis=0)

    def holds(self, ids: Iterable[int]) -> np.ndarray:
        """Whether each image has at least one pixel of any of ``ids``, ``(images,)`` bool."""
        columns = np.fromiter(ids, dtype=np.intp)
        return np.any(self.counts[:, columns] > 0, axis=1)


def build_index(
    items: Sequence[dict],
    *,
    num_classes: int,
    progress: bool = True,
    reduce_zero_label: bool = False,
) -> ClassIndex:
    """Count the pixels of every class in every mask, checking the files on the way.

    Masks are read as they are stored (palette indices or grey values); 255 is no label. The
    counts are cached in :func:`~vdfd_seg.datasets.segmentation.index_cache.default_folder` under a
    key made of the files' relative paths, sizes and modification times, so a second call reads no
    mask, and a changed file is noticed. A folder that cannot be written costs a warning only.

    Args:
        items: mmsegmentation's data infos: dictionaries with ``img_path`` and ``seg_map_path``
            (local files), and the image's ``name``.
        num_classes: Ids 0 to ``num_classes - 1`` are classes.
        progress: Show a progress bar on stderr where that is a terminal.
        reduce_zero_label: As in MMSegmentation, 0 is no label and every other id one less.

    Returns:
        The index, in the order of ``items``.

    Raises:
        InputError: No items, two items of one name, or files that are missing, damaged, of unequal
            size, not index masks, or with other ids: the first five by name, the rest counted.
    """
    if not items:
        raise InputError("the data set has no images: check its annotation file and folders.")
    pairs = _paths(items)
    names = _names(items)
    if reduce_zero_label:
        num_classes = min(num_classes + 1, IGNORE_INDEX)
    file = cache_file(pairs, num_classes)
    counts = load_counts(file, len(pairs))
    if counts is None:
        counts = _scan(pairs, num_classes, progress)
        save_counts(file, counts)
    if reduce_zero_label:
        unlabelled = counts[:, 0] + counts[:, IGNORE_INDEX]
        counts = np.roll(counts, -1, axis=1)
        counts[:, IGNORE_INDEX - 1] = 0
        counts[:, IGNORE_INDEX] = unlabelled
    counts.setflags(write=False)
    return ClassIndex(names, counts, index_digest(names, counts))


def _paths(items: Sequence[dict]) -> list[tuple[str, str]]:
    unlabelled = [
        f"{item['img_path']}: no mask is given for this image (no 'seg_map_path')."
        for item in items
        if item.get("seg_map_path") is None
    ]
    if unlabelled:
        raise unusable(unlabelled, len(items))
    return [
        (os.path.abspath(item["img_path"]), os.path.abspath(item["seg_map_path"])) for item in items
    ]


def _names(items: Sequence[dict]) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for item in items:
        name, image = item["name"], item["img_path"]
        if name in names:
            raise InputError(
                f"two images have the name '{name}': {names[name]} and {image}. "
                "List every image once and give it a name of its own."
            )
        names[name] = image
    return tuple(names)


def relative_name(image: str, folder: str) -> str:
    """The path of an image relative to a folder, without suffix, with ``/``."""
    return os.path.splitext(os.path.relpath(image, folder))[0].replace(os.sep, "/")


def _scan(pairs: Sequence[tuple[str, str]], num_classes: int, progress: bool) -> np.ndarray:
    counts = np.zeros((len(pairs), MASK_VALUES), dtype=np.int64)
    problems: dict[int, str] = {}

    def scan(row: int) -> None:
        try:
            counts[row] = scan_mask(*pairs[row], num_classes)
        except InputError as error:
            problems[row] = str(error)

    rows = range(len(pairs))
    # No bar where stderr is no terminal.
    bar = tqdm(total=len(rows), desc="Indexing masks", disable=None if progress else True)
    with bar, ThreadPoolExecutor(_THREADS) as executor:
        # A task takes memory until its batch is over.
        for start in rows[::_BATCH]:
            for _ in executor.map(scan, rows[start : start + _BATCH]):
                bar.update()
    if problems:
        raise unusable([problems[row] for row in sorted(problems)], len(pairs))
    return counts


def index_digest(names: Sequence[str], counts: np.ndarray) -> str:
    """SHA-256 (hexadecimal) over images' names and pixel counts, in order."""
    digest = hashlib.sha256("\0".join(names).encode())
    digest.update(counts.astype("<i8").tobytes())
    return digest.hexdigest()
