"""The class index's cache: counts on disk under a key that follows the files' content."""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vdfd_seg.datasets.image_files import IMAGE_SUFFIXES
from vdfd_seg.datasets.segmentation.index_scan import MASK_VALUES, unusable
from vdfd_seg.errors import warn
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.files import atomic_write

FORMAT_VERSION = 1


def cache_file(pairs: Sequence[tuple[str, str]], num_classes: int) -> Path:
    """Where the counts of these files in their present state are cached.

    Args:
        pairs: Absolute paths of images and of their masks.
        num_classes: Number of classes that the counts were checked against.
    """
    folders = {os.path.dirname(path) for pair in pairs for path in pair}
    root = os.path.commonpath(folders)
    digest = hashlib.sha256(f"{FORMAT_VERSION} {num_classes} {IGNORE_INDEX}\n".encode())
    problems = []
    for image, mask in pairs:
        try:
            for path in (image, mask):
                status = os.stat(path)
                relative = path[len(root) :]
                digest.update(f"{relative}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        except OSError as error:
            problems.append(_missing(image, mask, path, error))
    if problems:
        raise unusable(problems, len(pairs))
    return default_folder() / f"index-{digest.hexdigest()}.npz"


def load_counts(path: Path, images: int) -> np.ndarray | None:
    """The cached ``(images, 256)`` counts, or None if there are none or they are damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            counts = stored["counts"]
        if counts.shape != (images, MASK_VALUES) or counts.dtype != np.int64:
            raise ValueError("unexpected content")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        warn(f"{path}: damaged cache file ({error}); it is rebuilt.")
        return None
    return counts


def save_counts(path: Path, counts: np.ndarray) -> None:
    """Write the counts atomically; a folder that cannot be written is only a warning."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, lambda file: np.savez_compressed(file, counts=counts))
    except OSError as error:
        warn(
            f"the class index cannot be cached in {path.parent} ({error}); it will be "
            "computed again next time. Set VDFD_SEG_CACHE to a folder that can be written."
        )


def default_folder() -> Path:
    """``$VDFD_SEG_CACHE``, else ``$XDG_CACHE_HOME/vdfd_seg``, else ``~/.cache/vdfd_seg``."""
    own = os.environ.get("VDFD_SEG_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    # os.path.expanduser, unlike Path.home, does not raise for a user without a home.
    return Path(shared or os.path.expanduser("~/.cache")) / "vdfd_seg"


def _missing(image: str, mask: str, path: str, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"{path}: cannot be read ({error.strerror})."
    if path == image:
        stem = os.path.splitext(image)[0]
        near = [s for s in IMAGE_SUFFIXES for s in (s, s.upper()) if os.path.exists(stem + s)]
        hint = f"; there is '{os.path.basename(stem) + near[0]}'" if near else ""
        return (
            f"{image}: this image is missing{hint}; check the data set's root, its list of images "
            "and img_suffix."
        )
    return f"{mask}: this mask is missing, of the image {image}; add it or take the image out."
