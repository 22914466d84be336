"""Downloads that resume, are checked, and get their name when complete.

Neither ``pooch`` nor ``torch.hub`` resumes, which archives of gigabytes need.
"""

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from tqdm import tqdm

from vdfd_seg.errors import InputError

_CHUNK = 2**18
_TIMEOUT = 60


def download(url: str, path: str | Path, digest: str | None = None, algorithm: str = "md5") -> Path:
    """Fetch ``url`` to ``path``, unless there is a file already; the path.

    What comes is written to ``PATH.part`` and renamed when it is whole. An interrupted download
    continues where it stopped if the server can do that, and starts from scratch otherwise.

    Args:
        url: ``http``, ``https`` or ``file``.
        path: The file; its folder is made.
        digest: What the content's digest starts with in hexadecimal.
        algorithm: That of the digest. MD5 tells damage, not malice: the sources of the archives
            have published nothing stronger.
    """
    path = Path(path)
    if path.exists():
        return path
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part)
        if digest is not None and not (found := digest_of(part, algorithm)).startswith(digest):
            part.unlink()
            raise InputError(
                f"{url}: what came has the {algorithm.upper()} {found}, not {digest}; it was "
                f"removed. Fetch it again, or by other means to '{path}'."
            )
        part.replace(path)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"{url}: cannot be fetched to '{path}' ({error}). Run the same again to continue with "
            f"what has come, or fetch it by other means to that place."
        ) from error
    return path


def _fetch(url: str, part: Path) -> None:
    present = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={present}-"} if present else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # There is nothing after what has come: it is whole, or of another file.
        part.unlink()
        _fetch(url, part)
        return
    with response:
        # A server that cannot continue sends the whole.
        continues = getattr(response, "status", None) == http.client.PARTIAL_CONTENT
        present = present if continues else 0
        length = response.headers.get("Content-Length")
        total = present + int(length) if length else None
        bar = {"desc": part.stem, "total": total, "initial": present}
        with (
            part.open("ab" if present else "wb") as file,
            tqdm.wrapattr(response, "read", disable=None, **bar) as body,
        ):
            shutil.copyfileobj(body, file, _CHUNK)
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the connection broke off after {part.stat().st_size} of {total} bytes")


def digest_of(path: str | Path, algorithm: str) -> str:
    """The digest of a file's content, in hexadecimal."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with Path(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
