"""Pascal VOC 2012 with SBD's masks, from the two official archives."""

import json
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from vdfd_seg.datasets.conversion.download import download
from vdfd_seg.datasets.conversion.voc_archives import (
    SBD,
    SPLITS,
    VOC,
    convert_sbd,
    copy_voc,
    voc_lists,
)
from vdfd_seg.errors import InputError
from vdfd_seg.utils.files import replace_folder

VERSION = 1
COUNTS = {"train": 10582, "val": 1449}
"""Images of the augmented training set and of VOC's validation set."""

_DATASET = "VOCaug"
_IMAGES, _MASKS, _LISTS = "JPEGImages", "SegmentationClassAug", "ImageSets/Segmentation"
_DESCRIPTION = "dataset.json"


def download_voc_aug(folder: str | Path, progress: bool = True) -> None:
    """Fetch the archives that ``folder`` lacks (2.0 GB and 1.4 GB), see :func:`download`."""
    for archive in (VOC, SBD):
        download(archive.url, Path(folder) / archive.file, archive.md5, progress)


def convert_voc_aug(
    archives: str | Path,
    target: str | Path,
    counts: Mapping[str, int] | None = COUNTS,
    progress: bool = True,
) -> dict[str, int]:
    """Write the augmented set, unless it is there already.

    Training images are those of VOC's ``train`` and of SBD's ``train`` and ``val`` that are not in
    VOC's ``val`` (Hariharan et al., ICCV 2011): 10,582. VOC's own masks are taken where there are
    any, with their void borders; the others are SBD's, which have no void: those
    are converted on all cores.

    Args:
        archives: A folder with :data:`VOC` and :data:`SBD`.
        target: The data set's folder: absent, empty, or holding it (replaced if incomplete). It
            gets ``JPEGImages``, ``SegmentationClassAug`` (palette PNG: 0 background, 1 to 20 the
            classes, 255 void), ``ImageSets/Segmentation/{train,val}.txt`` (names in order), and
            ``dataset.json``, all at once: an interrupted conversion leaves the target as it was.
        counts: Numbers of images that are expected; None accepts any.
        progress: Show progress bars on stderr where that is a terminal.

    Returns:
        ``train`` and ``val``: numbers of images; ``voc_masks`` and ``sbd_masks``: where their
        masks are from.

    Raises:
        InputError: An archive that is missing, damaged or another; other numbers of images than
            ``counts``; a target with other content, or one that cannot be written.
    """
    archives, root = Path(archives), Path(target)
    final = root.resolve()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(final.parent / f".{final.name}.lock"):
            found = _finished(final, counts)
            if found is None:
                _refuse_foreign(final)
                replace_folder(final, lambda new: _write(archives, new, counts, progress))
                description = _description(final)
                assert description is not None  # just written
                found = description["counts"]
    except OSError as error:
        raise InputError(
            f"{root}: the data set cannot be written here ({error}); name another folder."
        ) from error
    return found


def _finished(root: Path, counts: Mapping[str, int] | None) -> dict[str, int] | None:
    description = _description(root)
    if description is None or description.get("version") != VERSION:
        return None
    found = description["counts"]
    if counts is not None and {split: found[split] for split in counts} != dict(counts):
        return None
    images = {path.stem for path in (root / _IMAGES).glob("*.jpg")}
    masks = {path.stem for path in (root / _MASKS).glob("*.png")}
    for split in SPLITS:
        path = root / _LISTS / f"{split}.txt"
        names = path.read_text().split() if path.is_file() else []
        if len(names) != found[split] or not set(names) <= images & masks:
            return None
    return found


def _description(root: Path) -> dict | None:
    try:
        description = json.loads((root / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(description, dict) and description.get("dataset") == _DATASET
    return description if ours else None


def _refuse_foreign(root: Path) -> None:
    if root.exists() and _description(root) is None and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"{root}: there is something here that this converter did not write; name a folder "
            "that does not exist yet or is empty."
        )


def _write(archives: Path, root: Path, counts: Mapping[str, int] | None, progress: bool) -> None:
    for folder in (_IMAGES, _MASKS, _LISTS):
        (root / folder).mkdir(parents=True)
    voc, sbd = archives / VOC.file, archives / SBD.file
    own = voc_lists(voc, progress)
    labelled = {*own["train"], *own["val"]}
    other = convert_sbd(sbd, labelled, root / _MASKS, progress)
    split = {
        "train": sorted({*own["train"], *other["train"], *other["val"]} - {*own["val"]}),
        "val": sorted({*own["val"]}),
    }
    found = {name: len(names) for name, names in split.items()}
    if counts is not None and found != dict(counts):
        raise InputError(
            f"{voc} and {sbd}: {found['train']} training and {found['val']} validation images, "
            f"not {counts['train']} and {counts['val']}; fetch the official archives."
        )
    names = {*split["train"], *split["val"]}
    copy_voc(voc, names, labelled, root / _IMAGES, root / _MASKS, progress)
    for folder, suffix in ((_IMAGES, ".jpg"), (_MASKS, ".png")):
        there = {path.stem for path in (root / folder).glob(f"*{suffix}")}
        if missing := sorted(names - there):
            source = sbd if folder == _MASKS and missing[0] not in labelled else voc
            raise InputError(
                f"{source}: {len(missing)} of {len(names)} images have no "
                f"{'mask' if folder == _MASKS else 'image'} in it, among them {missing[0]}; fetch "
                "the official archive."
            )
    for name, images in split.items():
        (root / _LISTS / f"{name}.txt").write_text("".join(f"{image}\n" for image in images))
    found.update(voc_masks=len(labelled & names), sbd_masks=len(names - labelled))
    description = {"dataset": _DATASET, "version": VERSION, "counts": found}
    (root / _DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
