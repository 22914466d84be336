"""A tiny CIFAR-100 for Python, pickled the way that Python 2 did."""

import io
import pickle
import struct
import tarfile
from typing import ClassVar

import numpy as np

CLASSES = ("apple", "bear", "cloud")
SIZES = {"train": 7, "test": 4}


class _Python2Pickler(pickle._Pickler):
    """Bytes and text both become the string of Python 2."""

    def save_string(self, value):
        content = value.encode("latin-1") if isinstance(value, str) else value
        short = len(content) < 256
        length = struct.pack("<B" if short else "<i", len(content))
        self.write((b"U" if short else b"T") + length + content)
        self.memoize(value)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, bytes: save_string, str: save_string}


def python2_pickle(value) -> bytes:
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def images(split) -> np.ndarray:
    shape = (SIZES[split], 32, 32, 3)
    return np.random.default_rng(len(split)).integers(0, 256, shape).astype(np.uint8)


def labels(split) -> list[int]:
    return [(3 * index + 2) % len(CLASSES) for index in range(SIZES[split])]


def contents() -> dict[str, dict]:
    """What the archive's three files hold."""
    batches = {
        split: {
            b"batch_label": b"a batch",
            b"data": images(split).transpose(0, 3, 1, 2).reshape(SIZES[split], -1),
            b"fine_labels": labels(split),
            b"coarse_labels": [0] * SIZES[split],
            b"filenames": [b"%d.png" % index for index in range(SIZES[split])],
        }
        for split in SIZES
    }
    names = [name.encode() for name in CLASSES]
    return {**batches, "meta": {b"fine_label_names": names, b"coarse_label_names": [b"all"]}}


def write_folder(parent, files=None, name="cifar-100-python"):
    folder = parent / name
    folder.mkdir(parents=True)
    for file, content in (files or contents()).items():
        (folder / file).write_bytes(python2_pickle(content))
    return folder


def write_archive(path, files=None, folder="cifar-100-python"):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (files or contents()).items():
            content = python2_pickle(content)
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
