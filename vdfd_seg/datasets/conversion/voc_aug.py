"""Pascal VOC 2012 with SBD's masks, from the two official archives."""

from collections.abc import Mapping
from pathlib import Path

from vdfd_seg.datasets.conversion.voc_archives import (
    SBD,
    SPLITS,
    VOC,
    convert_sbd,
    copy_voc,
    voc_lists,
)
from vdfd_seg.datasets.written_folder import VocLayout, write_folder
from vdfd_seg.errors import InputError
from vdfd_seg.utils.download import download

VERSION = 1
COUNTS = {"train": 10582, "val": 1449}
"""Images of the augmented training set and of VOC's validation set."""

_LAYOUT = VocLayout("VOCaug", "SegmentationClassAug")


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
    any, with their void borders; the others are SBD's, which have no void: those
    are converted on all cores.

    Args:
        archives: A folder with :data:`VOC` and :data:`SBD`.
        target: The data set's folder: absent, empty, or holding it (replaced if incomplete). It
            gets ``JPEGImages``, ``SegmentationClassAug`` (palette PNG: 0 background, 1 to 20 the
            classes, 255 void), ``ImageSets/Segmentation/{train,val}.txt`` (names in order), and
            ``dataset.json``, all at once: an interrupted conversion leaves the target as it was.
        counts: Numbers of images that are expected; None accepts any.

    Returns:
        ``train`` and ``val``: numbers of images; ``voc_masks`` and ``sbd_masks``: where their
        masks are from.

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
    voc, sbd = archives / VOC.file, archives / SBD.file
    own = voc_lists(voc)
    labelled = {*own["train"], *own["val"]}
    other = convert_sbd(sbd, labelled, root / _LAYOUT.masks)
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
    copy_voc(voc, names, labelled, root / _LAYOUT.images, root / _LAYOUT.masks)
    for kind, folder, suffix in (
        ("image", _LAYOUT.images, "jpg"),
        ("mask", _LAYOUT.masks, "png"),
    ):
        there = {path.stem for path in (root / folder).glob(f"*.{suffix}")}
        if missing := sorted(names - there):
            source = sbd if kind == "mask" and missing[0] not in labelled else voc
            raise InputError(
                f"{source}: {len(missing)} of {len(names)} images have no {kind} in it, among "
                f"them {missing[0]}; fetch the official archive."
            )
    found.update(voc_masks=len(labelled & names), sbd_masks=len(names - labelled))
    _LAYOUT.finish(root, split, {"version": VERSION, "counts": found})
