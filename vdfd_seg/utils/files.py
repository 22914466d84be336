"""Replacing files so that a reader sees the old content or the new, never half of it."""

import csv
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image

from vdfd_seg.errors import InputError

_TEMPORARY = ".writing"
_STORAGE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ESTALE")
    if hasattr(errno, name)
}


def atomic_write(
    path: str | Path, write: Callable[[BinaryIO], object], durable: bool = True
) -> Path:
    """Write ``path`` through a temporary sibling, fsync and rename; the path.

    Args:
        path: The file to replace; stays untouched where writing fails.
        write: Called with the open binary file.
        durable: Whether it is on the disk on return. Waiting for that takes many times as long as
            writing a picture, which can be made again.

    Raises:
        OSError: As the disk gives it, with ``path`` as its file.
    """
    path = Path(path)
    try:
        _replace(path, write, durable)
    except OSError as error:
        error.filename = str(path)
        raise
    return path


def is_storage_error(error: BaseException) -> bool:
    """Whether the disk is the reason: full, over the quota, read-only, or failing."""
    return isinstance(error, OSError) and error.errno in _STORAGE


class _Recording(io.BufferedWriter):
    """Keeps the error of the disk, which torch.save and Pillow turn into one of their own."""

    error: OSError | None = None

    def fileno(self) -> int:
        # Pillow would write there itself.
        raise io.UnsupportedOperation

    def write(self, content) -> int:
        try:
            return super().write(content)
        except OSError as error:
            self.error = error
            raise


def _replace(path: Path, write: Callable[[BinaryIO], object], durable: bool) -> None:
    # Of a long name the beginning: file systems have 255 bytes for all of it.
    prefix = f".{path.name[:40]}."
    handle, temporary = tempfile.mkstemp(prefix=prefix, suffix=_TEMPORARY, dir=path.parent)
    try:
        with io.FileIO(handle, "wb") as raw, _Recording(raw) as file:
            try:
                write(cast(BinaryIO, file))
            except Exception:
                if file.error is not None:
                    raise file.error from None
                raise
            file.flush()
            if durable:
                os.fsync(handle)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if not durable:
        return
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # so that the rename reaches the disk
    finally:
        os.close(directory)


def atomic_write_text(path: str | Path, text: str) -> Path:
    """:func:`atomic_write` of UTF-8 text."""
    return atomic_write(path, lambda file: file.write(text.encode()))


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def atomic_write_image(path: str | Path, image: Image.Image, **options: object) -> Path:
    """:func:`atomic_write` of a picture in the suffix's format; options of Pillow's ``save``.

    It is not waited for until it is on the disk.
    """
    kind = Image.registered_extensions()[Path(path).suffix.lower()]
    return atomic_write(path, lambda file: image.save(file, kind, **options), durable=False)


def previous_state(path: str | Path) -> Path:
    """Where the state that ``path`` held before the last save is kept."""
    path = Path(path)
    return path.with_name(f"{path.stem}_previous{path.suffix}")


def remove_unfinished(path: str | Path) -> None:
    """Remove what writers that were killed left below a folder."""
    for leftover in Path(path).rglob(f".*{_TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def writable_dir(path: str | Path, purpose: str) -> Path:
    """Make a folder, and prove that it can be written to; errors call it what ``purpose`` says."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"the {purpose} '{path}' cannot be written to ({error.strerror}); "
            f"choose another or change its permissions."
        ) from error
    return path


def replace_folder(root: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a sibling folder and rename it, so that ``root`` is never half written.

    Args:
        root: The folder to replace, or to make; its parent exists. Untouched where ``write``
            raises; what a killed process left is removed by the next call.
        write: Called with the path of the new folder, which does not exist yet.
    """
    root = Path(root)
    partial = root.with_name(f".{root.name}.partial")
    outdated = root.with_name(f".{root.name}.outdated")
    for leftover in filter(Path.exists, (partial, outdated)):
        shutil.rmtree(leftover)
    try:
        write(partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    if root.exists():
        root.rename(outdated)
    partial.rename(root)
    if outdated.exists():
        shutil.rmtree(outdated)
    return root
