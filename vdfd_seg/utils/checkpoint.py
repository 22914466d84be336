"""Files of plain tensors, numbers, strings, lists and dicts, with a digest.

What passes from one step to the next is one such file. It holds nothing that
could be executed, is replaced atomically, and is refused when a bit of it changed.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vdfd_seg.errors import DamagedError, InputError
from vdfd_seg.utils.files import atomic_write
from vdfd_seg.utils.nested import types_in

STEP_FORMAT = 1
_REGISTERED = re.compile(r"((vdfd_seg|mmengine|mmcv|mmseg|mmdet|mmpretrain)\.(?=[A-Z]))?\w+")


def save_plain(path: str | Path, content: dict) -> None:
    """Write ``content`` with its digest, atomically.

    Args:
        path: The file to write or replace.
        content: What :func:`to_plain` takes, without a ``digest`` of its own.
    """
    if "digest" in content:
        raise TypeError("checkpoint.digest is the digest's own place")
    content = to_plain(content)
    atomic_write(path, lambda file: torch.save({**content, "digest": digest(content)}, file))


def load_plain(path: str | Path) -> dict:
    """Read what :func:`save_plain` wrote, onto the CPU.

    Raises:
        InputError: For a file that is missing or holds something else.
        DamagedError: For one that is damaged.
    """
    if not Path(path).is_file():
        raise InputError(f"checkpoint '{path}' does not exist.")
    again = "delete it and resume from the step before, or train the step again."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged pickle raises whatever its bytes lead to.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise DamagedError(
            f"checkpoint '{path}' is damaged or is not a plain checkpoint ({reason}); {again}"
        ) from error
    if not isinstance(content, dict) or "digest" not in content:
        raise InputError(
            f"checkpoint '{path}' was not written by vdfd_seg: it carries no digest. Weights from "
            f"elsewhere can be given as the backbone's init_cfg=dict(type='Pretrained', ...)."
        )
    expected = content.pop("digest")
    if digest(content) != expected:
        raise DamagedError(
            f"checkpoint '{path}' is damaged: its content does not match its digest; {again}"
        )
    return content


def load_step(path: str | Path) -> dict:
    """Read a step's checkpoint: ``state_dict``, ``meta`` and ``method`` (``type`` and ``state``).

    Raises:
        InputError: As :func:`load_plain`, for a file that is no step's, and for one whose network,
            pipeline or method has a type that is no registered name: MMEngine imports and calls
            what has dots.
    """
    content = load_plain(path)
    missing = {"state_dict", "meta", "method"} - content.keys()
    if missing:
        raise InputError(f"'{path}' is not a step's checkpoint: it has no {', '.join(missing)}.")
    found = content["meta"].get("format") if isinstance(content["meta"], dict) else None
    if found != STEP_FORMAT:
        raise InputError(
            f"checkpoint '{path}' has meta.format {found}, this version reads {STEP_FORMAT}."
        )
    for kind in types_in([content["meta"], content["method"]]):
        if not _REGISTERED.fullmatch(kind):
            raise InputError(
                f"checkpoint '{path}' names the type '{kind}'; only registered names are built "
                f"from a checkpoint. Register the class, and train with its name."
            )
    return content


def to_plain(value: Any, where: str = "checkpoint") -> Any:
    """``value`` with tensors detached on the CPU, mappings as dicts, and tuples as lists.

    Raises:
        TypeError: For anything but tensors, numbers, strings, booleans, None and lists, tuples and
            dicts of these, naming where it is.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        # torch.save writes the whole storage behind a view.
        whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
        return value if whole else value.clone()
    if isinstance(value, Mapping):
        for key in value:
            if type(key) not in (bool, int, float, str):
                raise TypeError(f"{where} has a key of type {type(key).__name__}, not plain data")
        return {key: to_plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"{where} holds a {type(value).__name__}, which is not plain data")


def digest(value: Any) -> str:
    """SHA-256 of plain content: structure, values, and each tensor's type, shape and bytes."""
    state = hashlib.sha256()
    _feed(state, value)
    return state.hexdigest()


def _feed(state, value) -> None:
    if isinstance(value, torch.Tensor):
        state.update(f"T{value.dtype}{tuple(value.shape)}".encode())
        flat = value.contiguous().reshape(-1)
        state.update(flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    elif isinstance(value, dict):
        state.update(f"D{len(value)}".encode())
        for key, item in value.items():
            state.update(f"{type(key).__name__}{key!r}".encode())
            _feed(state, item)
    elif isinstance(value, list):
        state.update(f"L{len(value)}".encode())
        for item in value:
            _feed(state, item)
    else:
        state.update(f"{type(value).__name__}{value!r}".encode())


def nbytes(value: Any) -> int:
    """Bytes of plain content: tensors' storage, 8 a number, UTF-8 strings."""
    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, dict):
        return nbytes([*value, *value.values()])
    if isinstance(value, list):
        return sum(map(nbytes, value))
    if isinstance(value, str):
        return len(value.encode())
    return 0 if value is None else 8
