"""Turns errors of libraries into one message that names the key to change."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb

from mmcv.transforms import BaseTransform
from mmengine import registry
from torch import nn

from vdfd_seg.errors import InputError, nearest, raised_in_user_code
from vdfd_seg.utils.files import is_storage_error
from vdfd_seg.utils.signals import lost_process

ADVICE = {
    "more than 1 value per channel": "batch norm needs more than one value a channel: set "
    "train_dataloader.batch_size to 2 or more",
    "weight tensor should be defined": "a class_weight of loss_decode needs an entry for every "
    "class of the protocol, in the order in which they are learned",
    "FocalLoss": "on a CPU MMSegmentation's FocalLoss fails: train on a GPU, or with another loss",
    r"conv2d\(\) received an invalid.*got \(list": "a batch of images is made of a list by "
    "model.data_preprocessor, which is missing",
    "size in a batch should be the same|stack expects each tensor": "training images of unequal "
    "size need crops of one size, or model.data_preprocessor.size",
    "must have at most 2 classes": "take out model.decode_head.out_channels and use_sigmoid: there "
    "is one output a class",
    "does not take pixel weights": "take out model.decode_head.sampler",
    "prediction has shape": "predictions are of the image's size, and so must be the labels: in "
    "test_dataloader.dataset.pipeline put LoadAnnotations after Resize, and no Pad",
    r"install onedl-mmcv for \w+ ops": "the installed mmcv has no compiled operators: install one "
    "that has them, for this PyTorch",
    r"torch\.compiler\.disable": "a part of this method stays outside the graph, since its "
    "gradient or its data come from elsewhere: take compile.fullgraph out",
    r"C\+\+ compiler": "on a CPU torch.compile needs one: install it, or take compile out",
    "out of memory": "lower train_dataloader.batch_size, or the size of crops and test images",
}
"""Advice for errors with a known reason: regular expressions of their text and place."""


@contextmanager
def failing(what: str, keys: str = "", network: nn.Module | None = None) -> Iterator[None]:
    """Turn errors of libraries inside the block into one message: type, place and text.

    Errors in a user's own code pass through.

    Args:
        what: What failed, the start of the message.
        keys: The config's keys that it depends on, named where nothing better is known.
        network: Its layers are named by their keys in the config's model.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
    except Exception as error:
        if is_storage_error(error) or lost_process(error) or raised_in_user_code(error):
            raise
        text = _unregistered(error) or " ".join(str(error).split())[:300].rstrip(".")
        place = f"{type(error).__name__}{_place(error, network)}"
        known = (v for k, v in ADVICE.items() if re.search(k, f"{place} {text}", re.I))
        advice = next(known, f"see {keys}" if keys else "")
        raise InputError(f"{what}: {place}: {text}{advice and f'; {advice}'}.") from error


def _unregistered(error: Exception) -> str | None:
    """MMEngine's message on an unknown name, shortened, with the nearest known name."""
    found = re.search(r"(?:(\w+)\.)?(\w+) is not in the \w+::(\w[\w ]*) registry", str(error))
    if found is None:
        return None
    package, name, kind = found.groups()
    if package and find_spec(package) is None:
        return f"'{package}.{name}' needs {package}, which is not installed"
    known = {
        each
        for root in vars(registry).values()
        if isinstance(root, registry.Registry) and root.name == kind
        for part in (root, *root.children.values())
        for each in part.module_dict
    }
    near = nearest(name, known)
    return f"unknown {kind} '{name}'" + (f". Did you mean '{near}'?" if near else "")


def _place(error: Exception, network: nn.Module | None) -> str:
    """The innermost layer or transform, and the line."""
    layers = {} if network is None else {id(m): name for name, m in network.named_modules()}
    where, line = "", ""
    for frame, number in walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if layers.get(id(owner)):
            where = f" in model.{layers[id(owner)]} ({type(owner).__name__})"
        elif isinstance(owner, BaseTransform):
            where = f" in the transform {type(owner).__name__}"
        line = f" at {'/'.join(Path(frame.f_code.co_filename).parts[-3:])}:{number}"
    return where + line
