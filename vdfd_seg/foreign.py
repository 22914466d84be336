"""Checkpoints of mmsegmentation, read without executing what is in them.

They hold pickled helper objects beside the tensors (logs, configs, NumPy scalars). Tensors and
builtin containers are rebuilt; for everything else stands a placeholder that does nothing.
"""

import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from vdfd_seg.errors import InputError
from vdfd_seg.pickles import FixedFunction, Refused

_DTYPE = re.compile(r"(bfloat|complex|float|int|uint)\d+|bool")


class Placeholder:
    """Stands for an object of a class that was not imported; takes any state and keeps none."""

    __slots__ = ()

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self

    def __setstate__(self, state):
        pass

    def __setitem__(self, key, value):
        pass

    def append(self, value):
        """Pickles of lists' subclasses call this."""

    def extend(self, values):
        """The same."""

    def add(self, value):
        """Pickles of sets' subclasses call this."""


def _rebuild_tensor(storage, offset, size, stride, requires_grad=False, hooks=None, metadata=None):
    # Hooks would be called with the gradient, and metadata sets attributes.
    return torch._utils._rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())


def _rebuild_parameter(data, requires_grad=False, hooks=None):
    if not isinstance(data, Tensor):
        raise Refused("a parameter that is no tensor")
    return data


_GLOBALS = {
    "collections.OrderedDict": FixedFunction(OrderedDict),
    "torch._utils._rebuild_tensor_v2": FixedFunction(_rebuild_tensor),
    "torch._utils._rebuild_parameter": FixedFunction(_rebuild_parameter),
    "torch.Size": FixedFunction(torch.Size),
}


class _Unpickler(pickle._Unpickler):
    """Torch's own reader subclasses this one: it finds the storages' types by itself.

    In Python: five bytes make the unpickler in C reserve gigabytes for its memo.
    """

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and _DTYPE.fullmatch(name) and hasattr(torch, name):
            return getattr(torch, name)
        return _GLOBALS.get(f"{module}.{name}", Placeholder)


# What torch.load takes for the module `pickle`.
_INERT = ModuleType("inert_pickle")
_INERT.Unpickler = _Unpickler  # type: ignore[attr-defined]


def load_foreign(path: str | Path) -> dict:
    """What a checkpoint holds: tensors, numbers, strings, containers and placeholders.

    Args:
        path: A file that ``torch.save`` or MMEngine wrote (torch 1.6 or newer).

    Raises:
        InputError: For a file that is missing, damaged, no checkpoint, TorchScript, or of
            torch's format before 1.6.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint '{path}' does not exist.")
    if not _is_zip(path):
        raise InputError(
            f"checkpoint '{path}' is not in torch's zip format: it is damaged, no checkpoint, or "
            f"of torch before 1.6. In the last case load it where you trust it, and save it again "
            f"with torch.save."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.rpartition("/")[2] for name in archive.namelist()}
        if "data.pkl" not in names or "constants.pkl" in names:
            # Torch would run what a TorchScript archive holds.
            raise InputError(
                f"checkpoint '{path}' is an archive, but not of a checkpoint's tensors "
                f"(TorchScript or something else); give the .pth file that training wrote."
            )
        content = _load(path)
    except InputError:
        raise
    except Exception as error:  # A damaged pickle raises whatever its bytes lead to.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise InputError(
            f"checkpoint '{path}' is damaged or is no checkpoint ({reason}); fetch it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"checkpoint '{path}' holds no tensors by name.")
    return content


def foreign_weights(content: dict, path: str | Path) -> dict[str, Tensor]:
    """The network's weights by name.

    Args:
        content: What :func:`load_foreign` returned: the weights, or a dict that holds them under
            ``state_dict``.
        path: The file, for messages.

    Raises:
        InputError: When there are none, or one is not finite.
    """
    weights = content.get("state_dict", content)
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"checkpoint '{path}' has no state_dict with tensors by name.")
    # DistributedDataParallel puts its own name before all others.
    wrapped = all(str(key).startswith("module.") for key in weights)
    weights = {str(k).removeprefix("module.") if wrapped else k: v for k, v in weights.items()}
    for name, value in weights.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise InputError(
                f"checkpoint '{path}': the entry '{name}' of its state_dict is no tensor; give the "
                f".pth file of a network that mmsegmentation trained."
            )
        if value.is_floating_point() and not value.isfinite().all():
            raise InputError(f"checkpoint '{path}': parameter '{name}' is not finite.")
    return weights


def foreign_classes(content: dict) -> list[str] | None:
    """The class names in ``meta``, in the order of the outputs; None where there are none."""
    meta = content.get("meta")
    described = meta.get("dataset_meta") if isinstance(meta, dict) else None
    if isinstance(described, dict):
        names = described.get("classes", described.get("CLASSES"))
    else:
        # As mmsegmentation before version 1 wrote it.
        names = meta.get("CLASSES") if isinstance(meta, dict) else None
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return list(names)
    return None


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # What ends like an archive of several disks.
        return False


def _load(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # Torch stops at the first class that it does not know.
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_INERT)
