"""Does a step's evaluation read images that were trained on? Counted, not assumed."""

import hashlib
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from audit_images import AuditedArrays, AuditedFiles

from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.index import ClassIndex
from vdfd_seg.datasets.segmentation.source import Source
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import Protocol

_WORKERS = 16


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
    """

    step: int
    task: str
    tested: int
    reused: int
    copied: int | None
    untrained: tuple[str, ...] | None
    untested: tuple[str, ...] | None


@dataclass(frozen=True)
class Audit:
    """Every step of a protocol.

    Attributes:
        steps: One entry a step.
        copies: Pairs of a tested image and a trained one with the same bytes, by name.
        unknown: Names of masks with ids that the data set does not have.
        declared: Whether the protocol says that it evaluates on trained images.
    """

    steps: list[StepAudit]
    copies: list[tuple[str, str]]
    unknown: list[str]
    declared: bool

    @property
    def leaks(self) -> bool:
        """Whether something leaks that is not declared; copied files never are."""
        return any((s.reused and not self.declared) or s.copied for s in self.steps)


def audit(
    data: SegmentationData | ClassificationData, read: bool = True, progress: bool = True
) -> Audit:
    """Compare what each step is evaluated on with what was trained on until then.

    Args:
        data: The protocol and its images. An index made with ``strict=False`` has masks with
            unknown ids reported.
        read: Hash images and count pixels; False compares the images' names alone.
        progress: Show a progress bar on stderr where that is a terminal.

    Raises:
        InputError: For an image that cannot be read.
    """
    images = AuditedFiles(data) if isinstance(data, SegmentationData) else AuditedArrays(data)
    protocol, part = data.protocol, data.evaluate_on_part
    last = len(protocol.tasks) - 1
    trained = [[("train", s.image) for s in data.train_samples(step)] for step in range(last + 1)]
    tested = [data.test_samples(step) for step in range(last + 1)]
    keys = [[(part, s.image) for s in samples] for samples in tested]
    twins = _copies(images, trained, keys, progress) if read else {}
    steps = []
    pairs: dict[str, str] = {}
    seen: dict[Hashable, tuple[str, int]] = {}
    for step, task in enumerate(protocol.tasks):
        for key in trained[step]:
            seen.setdefault(images.identity(key), key)
        reused = [key for key in keys[step] if images.identity(key) in seen]
        copied = 0
        for key in set(keys[step]) - set(reused):
            twin = [t for t in twins.get(key, ()) if images.identity(t) in seen]
            copied += bool(twin)
            if twin:
                pairs.setdefault(images.name(key), images.name(twin[0]))
        own = [k for k, s in zip(keys[step], tested[step], strict=True)
               if protocol.scenario != "domain" or s.task == step]  # fmt: skip
        missing = [images.missing(step, k) if read else None for k in (trained[step], own)]
        steps.append(
            StepAudit(
                step, task.name, len(keys[step]), len(reused), copied if read else None, *missing
            )
        )
    unknown = images.unknown() if read else []
    return Audit(steps, sorted(pairs.items()), unknown, protocol.domain_split == "published")


def named_data(protocol: Protocol, path: str | Path) -> SegmentationData:
    """A domain-incremental protocol over images of which the names alone are known.

    Args:
        protocol: Its domains are the images' folders.
        path: A text file with one name a line, ``DOMAIN/IMAGE`` or ``FOLDER/DOMAIN/IMAGE``, in
            the order of the data set.

    Raises:
        InputError: For another protocol, or a list that is missing, empty or names one twice.
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
    index = ClassIndex(names, counts, hashlib.sha256("\0".join(names).encode()).hexdigest())
    source = Source(SimpleNamespace(data_root=str(path)), index)
    return SegmentationData(protocol, source, source)


def _copies(images, trained, tested, progress) -> dict[tuple, list[tuple]]:
    """For each tested image the trained ones of the same bytes, itself left out."""
    sides = [{k for keys in part for k in keys} for part in (trained, tested)]
    try:
        # Equal bytes have equal sizes: only files that share theirs with the other side are read.
        sizes = [{k: images.size(k) for k in side} for side in sides]
        shared = set(sizes[0].values()) & set(sizes[1].values())
        wanted = sorted({k for part in sizes for k, size in part.items() if size in shared})
        hashes = dict(zip(wanted, _mapped(images.sha256, wanted, progress), strict=True))
    except OSError as error:
        raise InputError(f"an image cannot be read: {error}; check the data set.") from error
    by_hash = defaultdict(list)
    for key in sorted(sides[0] & hashes.keys()):
        by_hash[hashes[key]].append(key)
    return {
        key: [t for t in by_hash[hashes[key]] if images.identity(t) != images.identity(key)]
        for key in sides[1] & hashes.keys()
    }


def _mapped(function: Callable, keys: Sequence, progress: bool) -> list:
    from rich.console import Console
    from rich.progress import Progress

    show = progress and sys.stderr.isatty()
    # Hashing and reading run outside the interpreter's lock.
    with (
        ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool,
        Progress(console=Console(stderr=True)) if show else nullcontext() as bar,
    ):
        results: Iterable = pool.map(function, keys)
        if bar is not None:
            results = bar.track(results, len(keys), description="Hashing images")
        return list(results)
