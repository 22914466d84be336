"""Continual-learning methods, one file each."""

import inspect
from collections.abc import Mapping

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.gaussian_classifier import with_gaussians
from vdfd_seg.methods.common.options import not_negative
from vdfd_seg.methods.ewc import EWC
from vdfd_seg.methods.finetune import FineTune
from vdfd_seg.methods.icarl import ICaRL
from vdfd_seg.methods.ilt import ILT
from vdfd_seg.methods.joint import Joint
from vdfd_seg.methods.lwf import LwF
from vdfd_seg.methods.lwf_mc import LwFMC
from vdfd_seg.methods.mas import MAS
from vdfd_seg.methods.mib import MiB
from vdfd_seg.methods.plop import PLOP
from vdfd_seg.methods.rcil import RCIL
from vdfd_seg.methods.si import SI
from vdfd_seg.methods.vdfd import VDFD
from vdfd_seg.methods.vdfd_plus import VDFDPlus
from vdfd_seg.registry import METHODS


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
    gaussians = arguments.pop("gaussians", 0.0)
    _check_arguments(built, arguments)
    try:
        method = (with_gaussians(built) if gaussians else built)(**arguments)
        not_negative(method, gaussians=gaussians)
    except TypeError as error:
        raise InputError(f"method {built.__name__}: {error}") from error
    if gaussians:
        method.gaussians = gaussians
    return method


def _check_arguments(kind: type, arguments: dict) -> None:
    init = kind.__init__  # type: ignore[misc]
    known = [name for name in inspect.signature(init).parameters if name != "self"]
    if init is Method.__init__:
        known = []
    for key in arguments:
        if key not in known:
            raise unknown_name(f"key in method {kind.__name__}", key, [*known, "gaussians"])


__all__ = [
    "EWC",
    "ILT",
    "MAS",
    "PLOP",
    "RCIL",
    "SI",
    "VDFD",
    "FineTune",
    "ICaRL",
    "Joint",
    "LwF",
    "LwFMC",
    "Method",
    "MiB",
    "TaskContext",
    "VDFDPlus",
    "build_method",
]
