"""What is in the two official archives of Pascal VOC 2012 and SBD."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vdfd_seg.datasets.conversion.archives import read_members
from vdfd_seg.datasets.workers import map_parallel
from vdfd_seg.datasets.written_folder import png_palette
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.voc import CLASSES, PALETTE

SPLITS = ("train", "val")

_NAME = re.compile(r"\d{4}_\d{6}")


@dataclass(frozen=True)
class Archive:
    """An official archive.

    Attributes:
        file: Its name.
        url: Where it is.
        md5: Its MD5, as torchvision has it.
        folder: The folder in it that is read.
    """

    file: str
    url: str
    md5: str
    folder: str

    @property
    def expected(self) -> str:
        """What the file should be, for messages."""
        return f"{self.file} with {self.folder}/..., from {self.url}"


VOC = Archive(
    "VOCtrainval_11-May-2012.tar",
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "6cd6e144f989b92b3379bac3b3de84fd",
    "VOCdevkit/VOC2012",
)
SBD = Archive(
    "benchmark.tgz",
    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
    "benchmark.tgz",
    "82b4d87ceb2ed10f6038a1cba92111cb",
    "benchmark_RELEASE/dataset",
)


def voc_lists(path: Path) -> dict[str, list[str]]:
    """Names of the images of VOC's ``train`` and ``val`` for segmentation.

    Raises:
        InputError: For a file that is not this archive, or damaged.
    """
    places = {f"{VOC.folder}/ImageSets/Segmentation/{split}.txt": split for split in SPLITS}
    read = read_members(path, places.__contains__, VOC.expected)
    return _checked_lists(path, VOC, {places[place]: content for place, content in read})


def _checked_lists(path: Path, archive: Archive, read: dict[str, bytes]) -> dict[str, list[str]]:
    lists = {}
    for split in SPLITS:
        names = read.get(split, b"").decode("ascii", "replace").split()
        wrong = [name for name in names if not _NAME.fullmatch(name)]
        if not names or wrong:
            what = f"names '{wrong[0]}' in" if wrong else "has no"
            raise InputError(f"{path}: {what} {split}.txt; expected {archive.expected}.")
        lists[split] = names
    return lists


def convert_sbd(path: Path, skip: set[str], masks: Path) -> dict[str, list[str]]:
    """Write SBD's masks as palette PNGs, on all cores.

    Args:
        path: The archive.
        skip: Names of the images whose masks are not wanted.
        masks: The folder for the masks.

    Returns:
        Names of the images of SBD's ``train`` and ``val``.

    Raises:
        InputError: For a file that is not this archive, or damaged.
    """
    lists = {f"{SBD.folder}/{split}.txt": split for split in SPLITS}
    folder = f"{SBD.folder}/cls/"

    def wanted(name: str) -> bool:
        return name in lists or (name.startswith(folder) and _stem(name, ".mat") not in skip)

    read = {}

    def mats() -> Iterator[tuple[bytes, str, Path]]:
        for name, content in read_members(path, wanted, SBD.expected):
            if name in lists:
                read[lists[name]] = content
            elif _NAME.fullmatch(stem := _stem(name, ".mat")):
                yield content, f"{path}: {name}", masks / f"{stem}.png"

    for _ in map_parallel(_convert_mat, mats()):
        pass
    return _checked_lists(path, SBD, read)


def _stem(name: str, suffix: str) -> str:
    return name.rpartition("/")[2].removesuffix(suffix)


def _convert_mat(content: bytes, name: str, target: Path) -> None:
    mask = Image.fromarray(_segmentation(content, name))
    mask.putpalette(png_palette(PALETTE))
    mask.save(target)


def _segmentation(content: bytes, name: str) -> np.ndarray:
    """The class ids in one of SBD's MATLAB files, version 5, which holds data and no code."""
    from scipy.io import loadmat

    try:
        ids = loadmat(io.BytesIO(content), variable_names=["GTcls"])["GTcls"][0, 0]["Segmentation"]
    except Exception as error:  # a damaged file can make the parser raise almost anything
        raise InputError(
            f"{name}: no mask, or a damaged one ({type(error).__name__}: {error}); fetch the "
            "archive again."
        ) from error
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or not ids.size or ids.max() >= len(CLASSES):
        raise InputError(f"{name}: 'GTcls.Segmentation' is not a mask of VOC's classes.")
    return ids.astype(np.uint8)


def copy_voc(path: Path, names: set[str], labelled: set[str], images: Path, masks: Path) -> None:
    """Copy VOC's images, and masks as they are: palette PNGs of class ids and 255.

    Args:
        path: The archive.
        names: Names of the images.
        labelled: Names of those whose masks are copied too.
        images: The folder for the images.
        masks: The folder for the masks.

    Raises:
        InputError: For a file that is not this archive, or damaged.
    """
    pictures, labels = (f"{VOC.folder}/{folder}/" for folder in ("JPEGImages", "SegmentationClass"))

    def wanted(name: str) -> bool:
        return (name.startswith(pictures) and _stem(name, ".jpg") in names) or (
            name.startswith(labels) and _stem(name, ".png") in labelled
        )

    for name, content in read_members(path, wanted, VOC.expected):
        if name.startswith(pictures):
            (images / f"{_stem(name, '.jpg')}.jpg").write_bytes(content)
            continue
        try:
            with Image.open(io.BytesIO(content)) as mask:
                fits = mask.mode == "P"
        except OSError as error:
            raise InputError(f"{path}: {name} cannot be read ({error}); fetch it again.") from error
        if not fits:
            raise InputError(f"{path}: {name} is no palette image; expected {VOC.expected}.")
        (masks / f"{_stem(name, '.png')}.png").write_bytes(content)
