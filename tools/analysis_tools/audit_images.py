"""What the leak audit asks of images: who they are, what is in them. Keys are (part, position)."""

import hashlib
import os
from collections.abc import Collection, Sequence

import numpy as np

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.download import digest_of

Key = tuple[str, int]


class AuditedArrays:
    """Images of classification: rows of an array, which have no names."""

    def __init__(self, data: ContinualData):
        self.data = data

    def name(self, key: Key) -> str:
        """What two keys of one image share, and messages call it."""
        return f"{key[0]} image {key[1]}"

    def size(self, key: Key) -> int:
        """Bytes; images of equal content have equal sizes."""
        return 0

    def sha256(self, key: Key) -> str:
        """Hash of its content."""
        pixels = np.ascontiguousarray(self.data.source(key[0]).images[key[1]])
        return hashlib.sha256(pixels.data).hexdigest()

    def held(self, keys: Sequence[Key]) -> Collection[str]:
        """Names of the classes in these images."""
        names = self.data.protocol.label_names
        return {names[self.data.labels[part][image]] for part, image in keys}

    def missing(self, step: int, keys: Sequence[Key]) -> tuple[str, ...]:
        """Names of the classes of ``step`` that these images do not hold."""
        protocol, held = self.data.protocol, self.held(keys)
        names = [protocol.label_names[label] for label in protocol.task_labels(step)]
        return tuple(name for name in names if name not in held)

    def unknown(self) -> list[str]:
        """Masks with ids that the data set does not have, with the ids."""
        return []


class AuditedFiles(AuditedArrays):
    """Images of segmentation: files."""

    def __init__(self, data: ContinualData):
        super().__init__(data)
        self._paths: dict[Key, str] = {}

    def name(self, key: Key) -> str:
        """The file behind links; where none is known, the name."""
        if key not in self._paths:
            source = self.data.source(key[0])
            known = hasattr(source.dataset, "get_data_info")
            self._paths[key] = (
                os.path.realpath(source.dataset.get_data_info(key[1])["img_path"])
                if known
                else source.names[key[1]]
            )
        return self._paths[key]

    def size(self, key: Key) -> int:
        """Bytes of the file."""
        return os.path.getsize(self.name(key))

    def sha256(self, key: Key) -> str:
        """Hash of the file."""
        return digest_of(self.name(key), "sha256")

    def held(self, keys: Sequence[Key]) -> Collection[str]:
        """Names of the classes with pixels in these images."""
        pixels = np.zeros(256, np.int64)
        for part in {part for part, _ in keys}:
            images = [image for own, image in keys if own == part]
            pixels += self.data.source(part).counts[images].sum(0)
        return {name for name, count in zip(self.data.protocol.classes, pixels) if count}

    def unknown(self) -> list[str]:
        """Masks with ids that the data set does not have, with the ids."""
        first, found = len(self.data.protocol.classes), {}
        for source in (self.data.train, self.data.test):
            wrong = source.counts[:, first:IGNORE_INDEX] > 0
            for row in np.flatnonzero(wrong.any(1)):
                ids = ", ".join(str(first + i) for i in np.flatnonzero(wrong[row]))
                found[source.dataset.get_data_info(int(row))["seg_map_path"]] = ids
        return [f"{path}: {ids}" for path, ids in sorted(found.items())]
