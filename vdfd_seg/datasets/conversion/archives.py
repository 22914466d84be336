"""Unpacking members of archives of others."""

import tarfile
import zipfile
import zlib
from collections.abc import Callable
from lzma import LZMAError
from pathlib import Path

from tqdm import tqdm

from vdfd_seg.errors import InputError
from vdfd_seg.utils.files import is_storage_error

_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError,
    RuntimeError,  # A member that is encrypted, or packed in a way that zipfile does not know.
)  # fmt: skip
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MAX_MEMBER = 2**28
"""Bytes of the largest member that is unpacked: more than a file of any of the data sets has."""


def unpack(path: str | Path, folder: Path, wanted: Callable[[str], object], expected: str) -> None:
    """Unpack regular files of a zip or tar file; no name or link in it leads out of the folder.

    Args:
        path: A zip file, or a tar file, compressed or not.
        folder: Where the files go, under their names in the archive.
        wanted: Whether to unpack a regular file, by its name without a leading ``./``.
        expected: What the archive should be, for messages.

    Raises:
        InputError: For a file that is missing, no archive, damaged or truncated (but a tar that
            is not compressed and ends between two members looks like a shorter one: count what
            comes), or a wanted member that is too large or names a place outside the folder.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected {expected}.")

    def chosen(name: str, size: int) -> bool:
        take = bool(wanted(name.removeprefix("./")))
        if take and size > MAX_MEMBER:
            raise InputError(f"{path}: {name} is far too large; expected {expected}.")
        return take

    size = path.stat().st_size
    bar = tqdm(total=size, disable=None, desc=path.name, unit="B", unit_scale=True)
    try:
        with path.open("rb") as file, bar:
            # Not zipfile.is_zipfile, which looks at the end: there a tar has its last member.
            if file.read(4) in _ZIP:
                with zipfile.ZipFile(file) as members:
                    for info in members.infolist():
                        if not info.is_dir() and chosen(info.filename, info.file_size):
                            members.extract(info, folder)
                        bar.update(info.compress_size)
                return
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                for member in archive:
                    bar.update(file.tell() - bar.n)
                    if member.isreg() and chosen(member.name, member.size):
                        archive.extract(member, folder, filter="data")
                # The checksum of compressed content comes last, after what tarfile reads.
                while archive.fileobj.read(2**20):
                    pass
                bar.update(file.tell() - bar.n)
    except (*_DAMAGE, OSError) as error:
        if is_storage_error(error):
            raise
        raise InputError(
            f"{path}: no archive, or a damaged or truncated one ({error}); expected {expected}, "
            "fetch it again."
        ) from error
