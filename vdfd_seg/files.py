"""Replacing files so that a reader sees the old content or the new, never half of it."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vdfd_seg.errors import InputError


def atomic_write(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Write ``path`` through a temporary sibling, fsync and rename.

    Args:
        path: The file to replace.
        write: Called with the open binary file.

    Returns:
        The path.

    Raises:
        OSError: What the file system says, the old file being untouched.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return path


def atomic_write_text(path: str | Path, text: str) -> Path:
    """:func:`atomic_write` of UTF-8 text."""
    return atomic_write(path, lambda file: file.write(text.encode()))


def writable_dir(path: str | Path, purpose: str) -> Path:
    """Make a folder and prove that files can be written in it.

    Args:
        path: The folder.
        purpose: What it is, for the message: ``"work dir"``.

    Raises:
        InputError: When it cannot be made or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"the {purpose} '{path}' cannot be written to ({error.strerror}); "
            f"choose another or mend its permissions."
        ) from error
    return path
