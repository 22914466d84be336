"""Cityscapes: its labels by training id, and its training and validation images as one list."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_files import open_image
from vdfd_seg.datasets.workers import on_all_cores
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.files import atomic_write, atomic_write_text

SPLITS = ("train", "val")
EVALUATED = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23,
    "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32,
    "bicycle": 33,
}  # fmt: skip
"""The data set's label id of each evaluated class, in the order of the training ids."""

_NUM_IDS = 34
_IDS, _TRAIN_IDS = "_gtFine_labelIds.png", "_gtFine_labelTrainIds.png"
_IMAGE = "_leftImg8bit.png"
LIST = "trainval.txt"
"""The images of ``train`` and ``val`` together, sorted by their paths, ``train`` before ``val``."""


def convert_cityscapes(root: str | Path) -> dict[str, Counter]:
    """Write the labels by training id next to those by label id, where they are missing.

    ``CITY_..._gtFine_labelTrainIds.png`` holds 0 to 18 for the classes of :data:`EVALUATED` and
    255 for all others, as the data set's own scripts write it. Each file appears when it is
    complete; those that are there stay as they are, so that a second call has nothing to do.
    :data:`LIST` names the images of ``train`` and ``val`` below ``leftImg8bit``, without suffix:
    the list that PLOP's domain-incremental benchmark divides (Douillard et al., CVPR 2021).
    ``test`` and ``train_extra``, which have no fine labels, are left out.

    Args:
        root: The folder with ``leftImg8bit`` and ``gtFine``.

    Returns:
        For ``train`` and ``val`` the number of images of each city.
    """
    root = Path(root)
    found: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    names: list[str] = []
    missing: list[tuple] = []
    todo: list[tuple] = []
    for split in SPLITS:
        # As text, not part by part: the published order.
        for image in sorted((root / "leftImg8bit" / split).glob(f"*/*{_IMAGE}"), key=str):
            city, stem = image.parent.name, image.name.removesuffix(_IMAGE)
            ids = root / "gtFine" / split / city / f"{stem}{_IDS}"
            target = ids.with_name(f"{stem}{_TRAIN_IDS}")
            found[split][city] += 1
            names.append(f"{split}/{city}/{stem}")
            if not target.exists():
                (todo if ids.exists() else missing).append((ids, target))
    if not any(found.values()):
        raise InputError(
            f"'{root}' holds no image leftImg8bit/train/CITY/*{_IMAGE}; unpack "
            f"leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip there."
        )
    if missing:
        raise InputError(
            f"{missing[0][0]}: these labels are missing, and those of {len(missing) - 1} more "
            f"images; unpack gtFine_trainvaltest.zip in '{root}'."
        )
    on_all_cores(_convert, todo)
    atomic_write_text(root / LIST, "".join(f"{name}\n" for name in names))
    return found


def train_id_table() -> np.ndarray:
    """Training id of each label id, ``(256,)`` int16; -1 where there is no such label id."""
    table = np.full(256, -1, dtype=np.int16)
    table[:_NUM_IDS] = IGNORE_INDEX
    # The licence plate, -1, where it has been written into a byte.
    table[IGNORE_INDEX] = IGNORE_INDEX
    table[list(EVALUATED.values())] = range(len(EVALUATED))
    return table


def _convert(ids: Path, target: Path) -> None:
    image = open_image(ids, "mask of labels")
    if image.mode not in ("L", "P"):
        raise InputError(f"{ids}: these labels have mode {image.mode}, not one byte a pixel.")
    labels = np.asarray(image)
    converted = train_id_table()[labels]
    if converted.min() < 0:
        raise InputError(
            f"{ids}: these labels hold {int(labels[converted < 0][0])}; Cityscapes' ids are 0 to "
            f"{_NUM_IDS - 1}."
        )
    mask = Image.fromarray(converted.astype(np.uint8))
    try:
        atomic_write(target, lambda file: mask.save(file, "PNG"))
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}).") from None
