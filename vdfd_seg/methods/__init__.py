"""Continual-learning methods, one file each: a module here is imported, and its class offered."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.registry import METHODS

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def __getattr__(name: str) -> type[Method]:
    """A registered method by its name, as in ``from vdfd_seg.methods import MiB``."""
    if name in METHODS.module_dict:
        return METHODS.module_dict[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_method(cfg: dict) -> Method:
    """The method that a config's ``method`` describes.

    Raises:
        InputError: For an unknown type or argument.
    """
    if not isinstance(cfg, Mapping):
        raise InputError(f"method must be a dict with a 'type', not {cfg!r}.")
    kind = cfg.get("type")
    if METHODS.get(str(kind)) is None:
        raise unknown_name("method", kind, METHODS.module_dict)
    # To be replaced: both become arguments of Method.
    arguments = {k: v for k, v in cfg.items() if k not in ("type", "unbiased_loss", "new_rows")}
    built = METHODS.get(kind)
    _check_arguments(built, arguments)
    try:
        return built(**arguments)
    except TypeError as error:
        raise InputError(f"method {built.__name__}: {error}") from error


def _check_arguments(kind: type, arguments: dict) -> None:
    init = kind.__init__  # type: ignore[misc]
    known = [name for name in inspect.signature(init).parameters if name != "self"]
    if init is Method.__init__:
        known = []
    for key in arguments:
        if key not in known:
            raise unknown_name(f"key in method {kind.__name__}", key, known)


__all__ = ["Method", "TaskContext", "build_method"]
