"""Continual-learning methods, one file each: a module here is imported, and its class offered."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.methods.common.base import COMMON, Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.gaussian_classifier import with_gaussians
from vdfd_seg.registry import METHODS

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def __getattr__(name: str) -> type[Method]:
    """A registered method by its name, as in ``from vdfd_seg.methods import MiB``."""
    if name in METHODS.module_dict:
        return METHODS.module_dict[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_method(cfg: dict) -> Method:
    """The method that a config's ``method`` describes: its type, and options of it.

    Raises:
        InputError: For an unknown type or option, or one out of its range.
    """
    if not isinstance(cfg, Mapping):
        raise InputError(f"method must be a dict with a 'type', not {cfg!r}.")
    arguments = dict(cfg)
    name = str(arguments.pop("type", None))
    kind = METHODS.get(name)
    if kind is None:
        raise unknown_name("method", name, METHODS.module_dict)
    known = [*inspect.signature(kind).parameters, *COMMON]
    for key in arguments:
        if key not in known:
            raise unknown_name(f"key in method {kind.__name__}", key, known)
    common = {key: arguments.pop(key) for key in COMMON if key in arguments}
    try:
        method = (with_gaussians(kind) if common.get("gaussians") else kind)(**arguments)
        for key, value in common.items():
            COMMON[key].set(method, key, value)
    except TypeError as error:
        raise InputError(f"method {kind.__name__}: {error}") from error
    return method


__all__ = ["Method", "TaskContext", "build_method"]
