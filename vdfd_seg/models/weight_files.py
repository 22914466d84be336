"""Finds, and downloads, the files of initial weights that MMSegmentation's configs name."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlparse

import mmengine
import torch
from filelock import FileLock
from mmengine.runner import checkpoint as tables

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.utils.download import digest_of, download

RANDOM = "To start from random weights instead, set it to None (model.backbone.init_cfg=None)."
# As torch.hub has it; a date is none.
_DIGEST = re.compile(r"-(?!(?:19|20)\d{6}\.)([0-9a-f]{8,64})\.\w+$")


def _torchvision() -> dict[str, str]:
    try:
        return tables.get_torchvision_models()
    except ImportError:  # torchvision is not installed: its older names.
        return mmengine.load(Path(mmengine.__path__[0]) / "hub/torchvision_0.12.json")


def _openmmlab() -> dict[str, str]:
    urls = tables.get_external_models()
    renamed = tables.get_deprecated_model_names()
    return {**{old: urls[new] for old, new in renamed.items() if new in urls}, **urls}


_TABLES: dict[str, Callable[[], dict]] = {
    "torchvision": _torchvision,
    "modelzoo": _torchvision,
    "open-mmlab": _openmmlab,
    "openmmlab": _openmmlab,
    "mmcls": tables.get_mmcls_models,
}


def weights_url(name: str) -> str | None:
    """The address of the weights that a config names; None for the path of a file.

    Args:
        name: ``http://...``, ``https://...``, or a name of MMEngine's tables:
            ``open-mmlab://...``, ``torchvision://...`` or ``mmcls://...``.

    Raises:
        InputError: For a name that the table lacks, or another kind of address.
    """
    scheme, separator, rest = name.partition("://")
    if not separator:
        return None
    if scheme in ("http", "https"):
        return name
    if scheme not in _TABLES:
        raise InputError(
            f"initial weights '{name}': addresses may start with {', '.join(_TABLES)}, http and "
            f"https; fetch the file, and give its path instead."
        )
    urls = {key: url for key, url in _TABLES[scheme]().items() if url}
    if rest not in urls:
        raise unknown_name(f"initial weights {scheme}://", rest, urls)
    return urls[rest]


def cached_path(url: str) -> Path:
    """Where the file of an address is kept: the folder that torch and MMEngine use."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def weights_file(name: str) -> Path:
    """The file of initial weights that a config names, fetched if it is not on this machine yet.

    Args:
        name: A path, or what :func:`weights_url` takes.

    Returns:
        Its path. If its name has a digest (``NAME-e67eebb6.pth``, the start of its SHA-256), the
        content was checked against it.

    Raises:
        InputError: For an unknown name, a file that is missing and cannot be fetched, or content
            that does not match the digest in the name.
    """
    url = weights_url(name)
    path = cached_path(url) if url else Path(name).expanduser()
    found = _DIGEST.search(path.name)
    if url and not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Several processes and runs may start at once.
            with FileLock(path.with_name(f".{path.name}.lock")):
                return download(url, path, found and found[1], "sha256")
        except (InputError, OSError) as error:
            raise InputError(f"initial weights '{name}': {error} {RANDOM}") from error
    if not path.is_file():
        raise InputError(f"initial weights '{path}' do not exist; correct the path. {RANDOM}")
    if found and not (digest := digest_of(path, "sha256")).startswith(found[1]):
        raise InputError(
            f"initial weights '{path}': the SHA-256 is {digest}, and by the file's name it starts "
            f"with {found[1]}; delete the file and fetch it again, or give it another name."
        )
    return path


def drop_absent(config: MutableMapping) -> list[str]:
    """Take out of a config the initial weights that would have to be fetched, in place.

    Returns:
        For each such file its name in the config, its address, and its future place.
    """
    absent = []

    def stays(given: object) -> bool:
        name = given.get("checkpoint") if isinstance(given, Mapping) else given
        url = weights_url(name) if isinstance(name, str) else None
        if url is None or cached_path(url).is_file():
            return True
        absent.append(f"{name} ({url}, kept as {cached_path(url)})")
        return False

    for key, value in list(config.items()):
        several = isinstance(value, (list, tuple))
        if key in ("init_cfg", "pretrained"):
            kept = [given for given in (value if several else [value]) if stays(given)]
            if not several or len(kept) < len(value):
                config[key] = kept if several else next(iter(kept), None)
        else:
            for part in value if several else [value]:
                if isinstance(part, MutableMapping):
                    absent += drop_absent(part)
    return absent
