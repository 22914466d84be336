"""Pascal VOC 2012 with SBD's masks, from the two official archives."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from PIL import Image

from vdfd_seg.datasets.conversion.archives import unpack
from vdfd_seg.datasets.image_files import open_image
from vdfd_seg.datasets.workers import on_all_cores
from vdfd_seg.datasets.written_folder import VocLayout, png_palette, write_folder
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.voc import CLASSES, PALETTE
from vdfd_seg.utils.download import download

SPLITS = ("train", "val")
VERSION = 1
COUNTS = {"train": 10582, "val": 1449}
"""Images of the augmented training set and of VOC's validation set."""

_LAYOUT = VocLayout("VOCaug", "SegmentationClassAug")
_NAME = re.compile(r"\d{4}_\d{6}")


class Archive(NamedTuple):
    """An official archive: its name, source, MD5 (as torchvision has it), and what of it is read.

    ``lists`` and ``masks`` are below ``folder``.
    """

    file: str
    url: str
    md5: str
    folder: str
    lists: str
    masks: str


VOC = Archive(
    "VOCtrainval_11-May-2012.tar",
    "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    "6cd6e144f989b92b3379bac3b3de84fd",
    "VOCdevkit/VOC2012/",
    "ImageSets/Segmentation",
    "SegmentationClass",
)
SBD = Archive(
    "benchmark.tgz",
    "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
    "benchmark.tgz",
    "82b4d87ceb2ed10f6038a1cba92111cb",
    "benchmark_RELEASE/dataset/",
    "",
    "cls",
)


def download_voc_aug(folder: str | Path) -> None:
    """Fetch the archives that ``folder`` lacks (2.0 GB and 1.4 GB), see :func:`download`."""
    for archive in (VOC, SBD):
        download(archive.url, Path(folder) / archive.file, archive.md5)


def convert_voc_aug(
    archives: str | Path,
    target: str | Path,
    counts: Mapping[str, int] | None = COUNTS,
) -> dict[str, int]:
    """Write the augmented set, unless it is there already.

    Training images are those of VOC's ``train`` and of SBD's ``train`` and ``val`` that are not in
    VOC's ``val`` (Hariharan et al., ICCV 2011): 10,582. VOC's own masks are taken where there are
    any, with their void borders; the others are SBD's, which have no void.

    Args:
        archives: A folder with :data:`VOC` and :data:`SBD`.
        target: The data set's folder: absent, empty, or holding it (replaced if incomplete). It
            gets ``JPEGImages``, ``SegmentationClassAug`` (palette PNG: 0 background, 1 to 20 the
            classes, 255 void), ``ImageSets/Segmentation/{train,val}.txt`` (names in order), and
            ``dataset.json``, all at once: an interrupted conversion leaves the target as it was.
        counts: Numbers of images that are expected; None accepts any.

    Returns:
        Numbers: ``train`` and ``val`` of images, ``voc_masks`` and ``sbd_masks`` of masks.

    Raises:
        InputError: An archive that is missing, damaged or another; other numbers of images than
            ``counts``; a target with other content, or one that cannot be written.
    """
    archives = Path(archives)
    write_folder(
        target,
        "VOC with SBD's masks",
        lambda root: _finished(root, counts),
        _LAYOUT.description,
        lambda root: _write(archives, root, counts),
    )
    found = _finished(Path(target), counts)
    assert found is not None  # just written
    return found


def _finished(root: Path, counts: Mapping[str, int] | None) -> dict[str, int] | None:
    description = _LAYOUT.description(root)
    if description is None or description.get("version") != VERSION:
        return None
    found = description["counts"]
    listed = {split: found[split] for split in SPLITS}
    wrong = counts is not None and listed != dict(counts)
    return None if wrong or _LAYOUT.counts(root, SPLITS) != listed else found


def _write(archives: Path, root: Path, counts: Mapping[str, int] | None) -> None:
    _LAYOUT.create(root)
    with TemporaryDirectory(dir=root) as place:
        voc, own = _unpack(archives, VOC, Path(place), "JPEGImages")
        sbd, other = _unpack(archives, SBD, Path(place))
        split = {
            "train": sorted({*own["train"], *other["train"], *other["val"]} - {*own["val"]}),
            "val": sorted({*own["val"]}),
        }
        found = {name: len(names) for name, names in split.items()}
        if counts is not None and found != dict(counts):
            raise InputError(
                f"{archives / VOC.file} and {SBD.file}: {found['train']} training and "
                f"{found['val']} validation images, not {counts['train']} and {counts['val']}; "
                f"fetch the official archives."
            )
        names = {*split["train"], *split["val"]}
        labelled = names & {*own["train"], *own["val"]}
        moved = [(voc / f"JPEGImages/{name}.jpg", _LAYOUT.images) for name in sorted(names)]
        moved += [(voc / VOC.masks / f"{name}.png", _LAYOUT.masks) for name in sorted(labelled)]
        mats = [sbd / SBD.masks / f"{name}.mat" for name in sorted(names - labelled)]
        for file in [*(file for file, _ in moved), *mats]:
            if not file.is_file():
                raise InputError(
                    f"{archives}: the archives hold no {file.relative_to(place)}; fetch the "
                    f"official ones."
                )
        for file, folder in moved:
            if folder == _LAYOUT.masks and open_image(file, f"mask of {VOC.file}").mode != "P":
                raise InputError(
                    f"{VOC.file}: {file.name} is no palette image; fetch the official one."
                )
            file.rename(root / folder / file.name)
        targets = [root / _LAYOUT.masks / f"{file.stem}.png" for file in mats]
        on_all_cores(_convert_mat, zip(mats, targets, strict=True))
    found.update(voc_masks=len(labelled), sbd_masks=len(mats))
    _LAYOUT.finish(root, split, {"version": VERSION, "counts": found})


def _unpack(
    archives: Path, archive: Archive, place: Path, *more: str
) -> tuple[Path, dict[str, list[str]]]:
    """Where an archive's folder is now, and the names in its lists of ``train`` and ``val``."""
    expected = f"{archive.file} with {archive.folder}..., from {archive.url}"
    root = place / archive.folder
    lists = {split: root / archive.lists / f"{split}.txt" for split in SPLITS}
    places = tuple(f"{archive.folder}{folder}/" for folder in (archive.masks, *more))
    wanted = {str(file.relative_to(place)) for file in lists.values()}
    path = archives / archive.file
    unpack(path, place, lambda name: name in wanted or name.startswith(places), expected)
    found = {}
    for split, file in lists.items():
        found[split] = file.read_text("ascii", "replace").split() if file.exists() else []
        wrong = [name for name in found[split] if not _NAME.fullmatch(name)]
        if wrong or not found[split]:
            what = f"names '{wrong[0]}' in" if wrong else "has no"
            raise InputError(f"{path}: {what} {split}.txt; expected {expected}.")
    return root, found


def _convert_mat(file: Path, target: Path) -> None:
    """The class ids in one of SBD's MATLAB files, version 5, which holds data and no code."""
    from scipy.io import loadmat

    try:
        ids = loadmat(file, variable_names=["GTcls"])["GTcls"][0, 0]["Segmentation"]
    except Exception as error:  # a damaged file can make the parser raise almost anything
        raise InputError(
            f"{SBD.file}: {file.name}: no mask, or a damaged one ({type(error).__name__}: "
            f"{error}); fetch the archive again."
        ) from error
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or not ids.size or ids.max() >= len(CLASSES):
        raise InputError(f"{SBD.file}: {file.name} is not a mask of VOC's classes.")
    mask = Image.fromarray(ids.astype(np.uint8))
    mask.putpalette(png_palette(PALETTE))
    mask.save(target)
