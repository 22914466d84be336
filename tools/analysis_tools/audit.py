"""Does a step's evaluation read images that were trained on? Counted, not assumed."""

import hashlib
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from audit_images import AuditedArrays, AuditedFiles
from tqdm import tqdm

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.source import Source
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import Protocol


@dataclass(frozen=True)
class StepAudit:
    """One step.

    Attributes:
        step: The step.
        task: Its name.
        tested: Images it is evaluated on.
        reused: Of these, the images that this or an earlier step trained on.
        copied: Of the others, those whose bytes are a trained image's; None if no file was read.
        untrained: Its classes without a pixel (or an image) in its training images; None if no
            label was read.
        untested: The same in the images it is evaluated on.
        leaks: Whether something leaks that the protocol does not declare; copied files never are.
    """

    step: int
    task: str
    tested: int
    reused: int
    copied: int | None
    untrained: tuple[str, ...] | None
    untested: tuple[str, ...] | None
    leaks: bool


def audit(
    data: ContinualData, read: bool = True
) -> tuple[list[StepAudit], list[tuple[str, str]], list[str]]:
    """Compare what each step is evaluated on with what was trained on until then.

    Args:
        data: The protocol and its images. An index made with ``strict=False`` has masks with
            unknown ids reported.
        read: Hash images and count pixels; False compares the images' names alone.

    Returns:
        The steps; pairs of a tested image and a trained one with the same bytes, by name; and masks
        with ids that the data set does not have.
    """
    images = AuditedFiles(data) if isinstance(data, SegmentationData) else AuditedArrays(data)
    protocol, part, numbers = data.protocol, data.evaluate_on_part, range(len(data.protocol.tasks))
    trained = [[("train", s.image) for s in data.train_samples(step)] for step in numbers]
    tested = [data.test_samples(step) for step in numbers]
    keys = [[(part, s.image) for s in samples] for samples in tested]
    twins = _copies(images, trained, keys) if read else {}
    declared = protocol.domain_split == "published"
    steps = []
    pairs: dict[str, str] = {}
    seen: dict[str, tuple[str, int]] = {}
    for step, task in enumerate(protocol.tasks):
        for key in trained[step]:
            seen.setdefault(images.name(key), key)
        reused = [key for key in keys[step] if images.name(key) in seen]
        copied = 0
        for key in set(keys[step]) - set(reused):
            twin = [t for t in twins.get(key, ()) if images.name(t) in seen]
            copied += bool(twin)
            if twin:
                pairs.setdefault(images.name(key), images.name(twin[0]))
        own = [k for k, s in zip(keys[step], tested[step], strict=True)
               if protocol.scenario != "domain" or s.task == step]  # fmt: skip
        missing = [images.missing(step, k) if read else None for k in (trained[step], own)]
        leaks = bool(copied or (reused and not declared))
        counts = (len(keys[step]), len(reused), copied if read else None)
        steps.append(StepAudit(step, task.name, *counts, *missing, leaks))
    return steps, sorted(pairs.items()), images.unknown() if read else []


def named_data(protocol: Protocol, path: str | Path) -> SegmentationData:
    """A domain-incremental protocol over images of which the names alone are known.

    The domains are the images' folders. The text file at ``path`` has one name a line,
    ``DOMAIN/IMAGE`` or ``FOLDER/DOMAIN/IMAGE``, in the order of the data set.
    """
    if protocol.scenario != "domain" or protocol.domain_split is None:
        raise InputError(
            f"--names is for domain-incremental protocols with a domain_split; which images the "
            f"steps of '{protocol.name}' read is decided by their masks or by image lists. Leave "
            f"--names out."
        )
    try:
        lines = Path(path).read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--names '{path}' cannot be read: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    twice = len(names) - len(set(names))
    if not names or twice:
        what = f"names {twice} images twice" if twice else "is empty"
        raise InputError(f"--names '{path}' {what}; write the name of each image on a line.")
    counts = np.broadcast_to(np.zeros((1, 256), np.int64), (len(names), 256))
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()
    source = Source(names, counts, digest, SimpleNamespace(data_root=str(path)))
    return SegmentationData(protocol, source, source)


def _copies(images, trained, tested) -> dict[tuple, list[tuple]]:
    """For each tested image the trained ones of the same bytes, itself left out."""
    sides = [{k for keys in part for k in keys} for part in (trained, tested)]
    try:
        # Equal bytes have equal sizes: only files that share theirs with the other side are read.
        sizes = [{k: images.size(k) for k in side} for side in sides]
        shared = set(sizes[0].values()) & set(sizes[1].values())
        wanted = sorted({k for part in sizes for k, size in part.items() if size in shared})
        # Hashing and reading run outside the interpreter's lock.
        with ThreadPoolExecutor() as pool:
            found = tqdm(pool.map(images.sha256, wanted), "hashing", len(wanted), disable=None)
            hashes = dict(zip(wanted, found, strict=True))
    except OSError as error:
        raise InputError(f"an image cannot be read: {error}; check the data set.") from error
    by_hash = defaultdict(list)
    for key in sorted(sides[0] & hashes.keys()):
        by_hash[hashes[key]].append(key)
    return {
        key: [t for t in by_hash[hashes[key]] if images.name(t) != images.name(key)]
        for key in sides[1] & hashes.keys()
    }
