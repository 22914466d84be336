"""Replacing files so that a reader sees the old content or the new, never half of it."""

import os
import shutil
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


def replace_folder(root: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a sibling folder and rename it, so that ``root`` is never half written.

    Args:
        root: The folder to replace, or to make; its parent exists.
        write: Called with the path of the new folder, which does not exist yet.

    Returns:
        The path.

    Raises:
        OSError: What the file system says. What ``write`` raises passes through, ``root`` being
            untouched; what a killed process left is removed by the next call.
    """
    root = Path(root)
    partial = root.with_name(f".{root.name}.partial")
    outdated = root.with_name(f".{root.name}.outdated")
    for leftover in (partial, outdated):
        if leftover.exists():
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
