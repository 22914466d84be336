"""Continual-learning methods, one file each: a module here is imported, and its class offered."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.gaussian_classifier import with_gaussians
from vdfd_seg.methods.common.options import not_negative, one_of
from vdfd_seg.models.growth import INITIALISATIONS
from vdfd_seg.registry import METHODS

COMMON = ("unbiased_loss", "new_rows", "fuse", "gaussians")
"""Options of every method."""

for _found in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_found.name}")


def __getattr__(name: str) -> type[Method]:
    """A registered method by its name, as in ``from vdfd_seg.methods import MiB``."""
    if name in METHODS.module_dict:
        return METHODS.module_dict[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def build_method(cfg: dict) -> Method:
    """The method that a config's ``method`` describes.

    Besides a method's own options, ``gaussians`` above 0 adds a
    :class:`~vdfd_seg.methods.common.gaussian_classifier.GaussianClassifier` to any.

    Raises:
        InputError: For an unknown type or argument.
    """
    if not isinstance(cfg, Mapping):
        raise InputError(f"method must be a dict with a 'type', not {cfg!r}.")
    kind = cfg.get("type")
    if METHODS.get(str(kind)) is None:
        raise unknown_name("method", kind, METHODS.module_dict)
    arguments = {k: v for k, v in cfg.items() if k != "type"}
    built = METHODS.get(kind)
    _check_arguments(built, arguments)
    common = {key: arguments.pop(key) for key in COMMON if key in arguments}
    gaussians, fuse = common.get("gaussians", 0.0), common.get("fuse", False)
    try:
        method = (with_gaussians(built) if gaussians else built)(**arguments)
        not_negative(method, gaussians=gaussians)
        if not 0 <= fuse <= 1:
            raise InputError(f"method {built.__name__}: fuse={fuse} must be from 0 to 1.")
    except TypeError as error:
        raise InputError(f"method {built.__name__}: {error}") from error
    one_of(method, INITIALISATIONS, new_rows=common.get("new_rows", "random"))
    for key, value in common.items():
        setattr(method, key, value)
    return method


def _check_arguments(kind: type, arguments: dict) -> None:
    init = kind.__init__  # type: ignore[misc]
    known = [name for name in inspect.signature(init).parameters if name != "self"]
    if init is Method.__init__:
        known = []
    known += COMMON
    for key in arguments:
        if key not in known:
            raise unknown_name(f"key in method {kind.__name__}", key, known)


__all__ = ["Method", "TaskContext", "build_method"]
