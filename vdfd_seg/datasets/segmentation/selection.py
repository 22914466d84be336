"""Which images a step trains on and is tested on."""

import hashlib

import numpy as np

from vdfd_seg.datasets.segmentation.index import ClassIndex
from vdfd_seg.protocols import Protocol

SHUFFLE_SEED = 1
"""Seed of the shuffles that divide a domain's images in the published benchmark."""


def train_images(protocol: Protocol, index: ClassIndex, step: int) -> np.ndarray:
    """Images that ``step`` may train on, validation images included.

    Class-incremental, overlap: those with a pixel of one of the step's
    foreground classes. Disjoint: of these, the ones without a class that is
    learned later or never. Partitioned: those that are given to one of them.
    Domain-incremental: the training part of the step's domains.

    Returns:
        Ascending positions in the index.
    """
    if protocol.scenario == "domain":
        return np.sort(_domain_part(protocol, index, step, "train"))
    if protocol.setting == "partitioned":
        owners = owning_classes(protocol, index)
        return np.flatnonzero(np.isin(owners, protocol.foreground_ids([step])))
    chosen = index.holds(protocol.foreground_ids([step]))
    if protocol.setting == "disjoint":
        seen = set(protocol.mask_ids(protocol.classes_seen(step)))
        later = [i for i, name in enumerate(protocol.classes) if i not in seen]
        later = [i for i in later if protocol.classes[i] != protocol.background]
        chosen &= ~index.holds(later)
    return np.flatnonzero(chosen)


def owning_classes(protocol: Protocol, index: ClassIndex) -> np.ndarray:
    """The class that each image belongs to in a partition; -1 without a class that is learned.

    One of the learned foreground classes that it shows, each as likely as the others (Kwak, Cha
    and Moon, "Towards Realistic Incremental Scenario in Class Incremental Semantic Segmentation",
    arXiv 2405.09858). Drawn by a hash of the image's name, so that another image moves none.
    """
    learned = np.sort(protocol.foreground_ids(range(len(protocol.tasks))))
    owners = np.full(len(index), -1)
    for image, name in enumerate(index.names):
        shown = learned[index.counts[image, learned] > 0]
        if len(shown):
            draw = hashlib.sha256(f"partition {name}".encode()).digest()
            owners[image] = shown[int.from_bytes(draw[:8], "big") % len(shown)]
    return owners


def test_images(protocol: Protocol, index: ClassIndex, step: int) -> list[tuple[int, np.ndarray]]:
    """Test images after ``step``, as pairs of a task and its images.

    Class-incremental: one group, task 0, of every image with a foreground class
    seen so far. Domain-incremental: one group for each task seen.
    """
    if protocol.scenario == "domain":
        return [
            (task, np.sort(_domain_part(protocol, index, task, "test", upto=step)))
            for task in range(step + 1)
        ]
    return [(0, np.flatnonzero(index.holds(protocol.foreground_ids(range(step + 1)))))]


def domains(index: ClassIndex) -> np.ndarray:
    """Domain of each image: the folder it lies in (``train/aachen/x`` is of aachen)."""
    return np.array([name.rpartition("/")[0].rpartition("/")[2] for name in index.names])


def _domain_part(protocol, index, task, part, upto=None):
    """Images of one task's domains.

    ``clean`` divides each task's own images once. ``published`` divides the
    training images the same way, but tests on the last part of a second shuffle
    over all domains seen, as PLOP's code does, so most test images of later steps
    were trained on.
    """
    where = domains(index)

    def of(steps):
        names = [name for s in steps for name in protocol.tasks[s].domains]
        return np.flatnonzero(np.isin(where, names))

    if protocol.domain_split is None:
        return of([task])
    if part == "test" and protocol.domain_split == "published":
        _, tested = _divided(protocol, of(range(upto + 1)))
        return tested[np.isin(tested, of([task]))]
    trained, tested = _divided(protocol, of([task]))
    return trained if part == "train" else tested


def _divided(protocol, images):
    """The training and the test part of a shuffle of images."""
    shuffled = images.copy()
    np.random.RandomState(SHUFFLE_SEED).shuffle(shuffled)
    cut = int((1 - protocol.test_share) * len(images))
    return shuffled[:cut], shuffled[cut:]
