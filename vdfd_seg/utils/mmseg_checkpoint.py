"""Checkpoints of others, read without executing what is in them.

They hold pickled helper objects next to the tensors (logs, configs, NumPy scalars). Torch's reader
for weights rebuilds tensors and builtin containers; a placeholder stands for everything else.
"""

import re
import zipfile
from pathlib import Path

import torch
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from vdfd_seg.errors import InputError


class Placeholder:
    """Stands for an object of a class that was not imported; takes any state and keeps none."""

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


def load_untrusted(path: str | Path) -> dict:
    """What a file of ``torch.save`` or MMEngine holds: tensors, plain values and placeholders.

    Refused is also what no placeholder can stand for: functions of the operating system, lists of a
    class of their own, any object in torch's format before 1.6.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint '{path}' does not exist.")
    try:
        unknown = get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []
        with safe_globals([(Placeholder, name) for name in unknown]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A damaged pickle raises whatever its bytes lead to.
        asked = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(
            f"checkpoint '{path}' is damaged, no checkpoint of torch.save, or holds objects "
            f"other than tensors{f' (it asks for {asked[1]})' if asked else ''}; nothing of it was "
            f"run. Fetch it again, or save its state_dict alone."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"checkpoint '{path}' holds no tensors by name.")
    return content


def weights_of(content: dict, path: str | Path) -> dict[str, Tensor]:
    """The weights by name in what :func:`load_untrusted` read, there or under ``state_dict``."""
    weights = content.get("state_dict", content)
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"checkpoint '{path}' has no state_dict with tensors by name.")
    # DistributedDataParallel puts its own name before all others.
    weights = {str(key): value for key, value in weights.items()}
    if all(name.startswith("module.") for name in weights):
        weights = {name.removeprefix("module."): value for name, value in weights.items()}
    for name, value in weights.items():
        if not isinstance(value, Tensor):
            raise InputError(
                f"checkpoint '{path}' holds other things than tensors by name: '{name}' is no "
                f"tensor; give a network's state_dict, alone or under 'state_dict'."
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"checkpoint '{path}': parameter '{name}' is not finite.")
    return weights


def classes_of(content: dict) -> list[str] | None:
    """The class names in ``meta``, in the order of the outputs; None where there are none."""
    meta = content.get("meta")
    described = meta.get("dataset_meta", meta) if isinstance(meta, dict) else None
    if not isinstance(described, dict):
        return None
    # In capitals as mmsegmentation before version 1 wrote it.
    names = described.get("classes", described.get("CLASSES"))
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return list(names)
    return None
