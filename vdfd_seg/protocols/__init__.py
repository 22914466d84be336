"""What is learned when. Pure Python: reads no images and imports no torch."""

import inspect
from collections.abc import Callable, Mapping

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.protocols.ade20k import ade20k
from vdfd_seg.protocols.camvid import camvid
from vdfd_seg.protocols.cifar import cifar100
from vdfd_seg.protocols.cityscapes import cityscapes
from vdfd_seg.protocols.custom import custom
from vdfd_seg.protocols.digit_scenes import digit_scenes
from vdfd_seg.protocols.digits import digits
from vdfd_seg.protocols.orders import random_orders
from vdfd_seg.protocols.protocol import IGNORE_INDEX, SALIENT_INDEX, Protocol, Task
from vdfd_seg.protocols.voc import voc

PROTOCOLS: dict[str, Callable[..., Protocol]] = {
    "VOC": voc,
    "ADE20K": ade20k,
    "Cityscapes": cityscapes,
    "CamVid": camvid,
    "DigitScenes": digit_scenes,
    "CIFAR100": cifar100,
    "Digits": digits,
    "Custom": custom,
}


def build_protocol(cfg: Mapping) -> Protocol:
    """The protocol that a config's ``protocol`` describes.

    Args:
        cfg: ``type`` names one of :data:`PROTOCOLS`, the rest are its arguments,
            for instance ``dict(type="VOC", split="10-5", setting="overlap")``.
    """
    if not isinstance(cfg, Mapping):
        raise InputError(f"protocol must be a dict with a 'type', not {cfg!r}.")
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    if kind not in PROTOCOLS:
        raise unknown_name("protocol type", kind, PROTOCOLS)
    named = {
        key
        for function in (PROTOCOLS[kind], Protocol)
        for key, value in inspect.signature(function).parameters.items()
        if value.kind is not inspect.Parameter.VAR_KEYWORD
    }
    for key in arguments:
        if key not in named | {"order"}:
            raise unknown_name(f"key in protocol {kind}", key, named | {"order"})
    try:
        return PROTOCOLS[kind](**arguments)
    except TypeError as error:
        raise InputError(f"protocol {kind}: {error}") from error


__all__ = [
    "IGNORE_INDEX",
    "PROTOCOLS",
    "SALIENT_INDEX",
    "Protocol",
    "Task",
    "build_protocol",
    "random_orders",
]
