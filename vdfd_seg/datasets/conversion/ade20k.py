"""ADE20K's scene parsing challenge from its official archive, in the layout of MMSegmentation."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from vdfd_seg.datasets.conversion.archives import unpack
from vdfd_seg.datasets.written_folder import read_description, write_folder
from vdfd_seg.errors import InputError

ARCHIVE = "ADEChallengeData2016.zip"
COUNTS = {"training": 20210, "validation": 2000}
"""Images in the official sets."""

_SUFFIXES = {"images": "jpg", "annotations": "png"}
_MEMBER = re.compile(r"ADEChallengeData2016/(images/\w+/ADE_\w+\.jpg|annotations/\w+/ADE_\w+\.png)")


def convert_ade20k(
    archive: str | Path, target: str | Path, counts: Mapping[str, int] | None = COUNTS
) -> dict[str, int]:
    """Write the images and masks of the archive, unless they are there already.

    Masks stay as they are: grey PNGs of 0 (no label) and 1 to 150.

    Args:
        archive: :data:`ARCHIVE`. Nothing in it decides where a file is written.
        target: The data set's folder, with ``images`` and ``annotations`` of ``training`` and
            ``validation`` as the unpacked archive has them: absent, empty, or holding it.
        counts: Numbers of images that are expected; None accepts any.

    Returns:
        The number of images of each set.

    Raises:
        InputError: An archive that is missing, damaged or another; other numbers of images than
            ``counts``; a target with other content, or one that cannot be written.
    """
    write_folder(
        target,
        "ADE20K",
        lambda root: _finished(root, counts),
        lambda root: read_description(root, "ADE20K"),
        lambda root: _write(Path(archive), root, counts),
    )
    return _counts(Path(target))


def _counts(root: Path) -> dict[str, int]:
    """Images of each set that have a mask."""
    found = {}
    for split in COUNTS:
        images, masks = (
            {path.stem for path in (root / kind / split).glob(f"*.{suffix}")}
            for kind, suffix in _SUFFIXES.items()
        )
        found[split] = len(images) if images == masks else 0
    return found


def _finished(root: Path, counts: Mapping[str, int] | None) -> bool:
    found = _counts(root)
    return found == dict(counts) if counts else all(found.values())


def _write(archive: Path, root: Path, counts: Mapping[str, int] | None) -> None:
    root.mkdir()
    with TemporaryDirectory(dir=root) as place:
        unpack(archive, Path(place), _MEMBER.fullmatch, ARCHIVE)
        for folder in Path(place).glob("*/*"):
            folder.rename(root / folder.name)
    written = _counts(root)
    if not _finished(root, counts):
        raise InputError(
            f"{archive}: {written['training']} training and {written['validation']} validation "
            f"images with masks (0 where one lacks its mask); expected {COUNTS['training']} and "
            f"{COUNTS['validation']}: fetch {ARCHIVE} again."
        )
    (root / "dataset.json").write_text(json.dumps({"dataset": "ADE20K", "counts": written}) + "\n")
