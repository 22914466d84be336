"""What the leak audit asks of images: who they are, what is in them. Keys are (part, position)."""

import hashlib
import os
from collections.abc import Hashable, Sequence

import numpy as np

from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.protocols import IGNORE_INDEX

_CHUNK = 1 << 20


class AuditedFiles:
    """Images of segmentation: files."""

    def __init__(self, data: SegmentationData):
        self.data = data
        self._paths: dict[tuple, str] = {}

    def identity(self, key: tuple[str, int]) -> str:
        """The file behind links; where none is known, the name."""
        if key not in self._paths:
            dataset = self.data.source(key[0]).dataset
            known = hasattr(dataset, "get_data_info")
            self._paths[key] = (
                os.path.realpath(dataset.get_data_info(key[1])["img_path"])
                if known
                else self.data.source(key[0]).index.names[key[1]]
            )
        return self._paths[key]

    def name(self, key: tuple[str, int]) -> str:
        """What messages call it."""
        return str(self.identity(key))

    def size(self, key: tuple[str, int]) -> int:
        """Bytes; images of equal content have equal sizes."""
        return os.path.getsize(self.identity(key))

    def sha256(self, key: tuple[str, int]) -> str:
        """Hash of its content."""
        state = hashlib.sha256()
        with open(self.identity(key), "rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
        return state.hexdigest()

    def missing(self, step: int, keys: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        """Names of the classes of ``step`` that these images do not hold."""
        protocol = self.data.protocol
        pixels = sum(
            (self.data.source(part).index.counts[[i for p, i in keys if p == part]].sum(0)
             for part in {p for p, _ in keys}),
            np.zeros(256, np.int64),
        )  # fmt: skip
        names = [protocol.label_names[label] for label in protocol.task_labels(step)]
        return tuple(n for n in names if not pixels[protocol.classes.index(n)])

    def unknown(self) -> list[str]:
        """Masks with ids that the data set does not have, with the ids."""
        first, found = len(self.data.protocol.classes), {}
        for source in (self.data.train, self.data.test):
            wrong = source.index.counts[:, first:IGNORE_INDEX] > 0
            for row in np.flatnonzero(wrong.any(1)):
                ids = ", ".join(str(first + i) for i in np.flatnonzero(wrong[row]))
                found[source.dataset.get_data_info(int(row))["seg_map_path"]] = ids
        return [f"{path}: {ids}" for path, ids in sorted(found.items())]


class AuditedArrays:
    """Images of classification: rows of an array."""

    def __init__(self, data: ClassificationData):
        self.data = data

    def identity(self, key: tuple[str, int]) -> Hashable:
        """The row itself: an array has no other name for an image."""
        return key

    def name(self, key: tuple[str, int]) -> str:
        """What messages call it."""
        return f"{key[0]} image {key[1]}"

    def size(self, key: tuple[str, int]) -> int:
        """Bytes; images of equal content have equal sizes."""
        return 0

    def sha256(self, key: tuple[str, int]) -> str:
        """Hash of its content."""
        pixels = np.ascontiguousarray(self.data.source(key[0]).images[key[1]])
        return hashlib.sha256(pixels.data).hexdigest()

    def missing(self, step: int, keys: Sequence[tuple[str, int]]) -> tuple[str, ...]:
        """Names of the classes of ``step`` that these images do not hold."""
        held = {int(self.data.labels[part][image]) for part, image in keys}
        protocol = self.data.protocol
        return tuple(protocol.label_names[i] for i in protocol.task_labels(step) if i not in held)

    def unknown(self) -> list[str]:
        """Masks with ids that the data set does not have, with the ids."""
        return []
