"""Reading the members of an archive that somebody else packed, in memory."""

import lzma
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from vdfd_seg.errors import InputError

MAX_MEMBER = 2**26
"""Bytes of the largest member that is read: far more than an image of a data set has."""


def read_members(
    path: str | Path,
    wanted: Callable[[str], bool],
    expected: str,
    progress: bool = True,
    most: int | None = None,
) -> Iterator[tuple[str, bytes]]:
    """The content of an archive's files, in the archive's order.

    Nothing is unpacked: the caller says where, and under which name, content is written, so that
    no name, link or permission in the archive can reach a file system.

    Args:
        path: A tar file, compressed or not.
        wanted: Called with a member's name (without a leading ``./``): whether to read it.
            Links, devices and folders are passed over.
        expected: What the archive should be, for messages.
        progress: Show a progress bar on stderr where that is a terminal.
        most: Bytes of the largest member that is read. Default :data:`MAX_MEMBER`.

    Yields:
        Names and contents.

    Raises:
        InputError: For a file that is missing, no archive, damaged or truncated (but a tar that
            is not compressed and ends between two members looks like a shorter one: count what
            comes), or a wanted member that is too large.
    """
    path = Path(path)
    options = {"desc": path.name, "unit": "B", "unit_scale": True}
    try:
        with (
            path.open("rb") as file,
            tqdm(
                total=os.fstat(file.fileno()).st_size, disable=None if progress else True, **options
            ) as bar,
            tarfile.open(fileobj=file) as archive,
        ):
            for member in archive:
                # What is passed over is not read.
                bar.update(file.tell() - bar.n)
                name = member.name.removeprefix("./")
                if not member.isreg() or not wanted(name):
                    continue
                if member.size > (most or MAX_MEMBER):
                    raise InputError(f"{path}: {name} is far too large; expected {expected}.")
                content = archive.extractfile(member)
                assert content is not None  # of a regular file
                with content:
                    yield name, content.read()
            # The checksum of compressed content comes last, after what tarfile reads.
            while archive.fileobj.read(2**20):
                pass
            bar.update(file.tell() - bar.n)
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; expected {expected}.") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{path}: no archive, or a damaged or truncated one ({error}); expected {expected}, "
            "fetch it again."
        ) from error
