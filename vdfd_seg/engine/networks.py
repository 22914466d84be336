"""Building, growing and initialising the network of a step."""

import copy
import io
import logging
from collections.abc import Sequence
from contextlib import contextmanager, redirect_stdout

import torch
from mmengine.config import ConfigDict
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.model import BaseModule, revert_sync_batchnorm
from torch import nn

from vdfd_seg.engine.input.failures import failing
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.errors import InputError
from vdfd_seg.models import (
    ClassificationAdapter,
    ContinualClassifier,
    SegmentationAdapter,
    adapter_of,
)
from vdfd_seg.models.growth import UNSUITED, has_no_classes
from vdfd_seg.models.memory_format import lay_out
from vdfd_seg.models.pretrained import (
    checked_readers,
    is_pretrained,
    load_pretrained,
    without_pretrained,
)
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import MODELS
from vdfd_seg.utils.nested import as_list
from vdfd_seg.utils.seeding import derived_seed


def model_config(model: dict, sizes: int | Sequence[int]) -> ConfigDict:
    """A model's config with as many outputs as there are classes.

    Args:
        model: Config of a classifier or an encoder-decoder; its ``head_sizes`` and ``num_classes``
            are ignored. A loss's ``class_weight`` has those of all classes of the protocol, in the
            order in which they are learned.
        sizes: Number of classes, or of each task's: a classifier has a head a task, every head
            of an encoder-decoder has all classes.
    """
    model = copy.deepcopy(ConfigDict(model))
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    if MODELS.get(str(model.get("type"))) is ContinualClassifier:
        model["head_sizes"] = sizes
        return model
    for head in head_configs(model):
        kind = _kind(head)
        name = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
        if name in UNSUITED:
            raise InputError(f"model: the head {name} cannot grow: {UNSUITED[name]}.")
        if not has_no_classes(kind):
            head["num_classes"] = sum(sizes)
        for loss in as_list(head.get("loss_decode")):
            if isinstance(loss.get("class_weight"), (list, tuple)):
                loss["class_weight"] = loss["class_weight"][: sum(sizes)]
    return model


def _kind(part: dict):
    """The class that a config names, or its name where that is not registered."""
    kind = part.get("type")
    if isinstance(kind, str):
        with MODELS.switch_scope_and_registry(None) as registry:
            return registry.get(kind) or kind
    return kind


def head_configs(model: dict) -> list[dict]:
    """The configs of an encoder-decoder's heads, main and auxiliary."""
    return [*as_list(model.get("decode_head")), *as_list(model.get("auxiliary_head"))]


def build_network(
    model: dict, sizes: int | Sequence[int], pretrained: bool = False
) -> tuple[nn.Module, str | None]:
    """A network with fresh weights, and the file of initial weights of its backbone.

    Args:
        model: The config's model.
        sizes: As in :func:`model_config`.
        pretrained: Read the files of initial weights that the config names. If False, they need
            not exist.

    Returns:
        The network, and the backbone's file: None if the config names none.
    """
    cfg = model_config(model, sizes)
    given = _backbone_file(cfg)
    with failing("the config's model cannot be built", "model"):
        network = MODELS.build(cfg)
    if get_device() == "cpu":
        network = revert_sync_batchnorm(network)
    if not pretrained:
        without_pretrained(network)
    with failing("the config's model cannot be initialised", "model"):
        with unlogged(), checked_readers(network):
            network.init_weights()
    if pretrained and given:
        load_pretrained(network.get_submodule("backbone"), given["checkpoint"], given.get("prefix"))
    return lay_out(network), given["checkpoint"] if given else None


def _backbone_file(cfg: ConfigDict) -> dict | None:
    """Take the initial weights of a backbone that has no reader of its own out of a config.

    The backbone is initialised at random first, so that a seed gives the heads the same weights
    with and without a file.
    """
    backbone, plain = cfg.get("backbone"), BaseModule.init_weights
    if not isinstance(backbone, dict) or (
        getattr(_kind(backbone), "init_weights", plain) is not plain
    ):
        return None
    for part, key in ((cfg, "pretrained"), (backbone, "pretrained"), (backbone, "init_cfg")):
        given = part.get(key)
        if isinstance(given, str):
            given = {"checkpoint": given}
        if is_pretrained(given):
            del part[key]
            return given
    return None


@contextmanager
def unlogged():
    """Silence MMEngine's logger up to warnings, and prints of a network (MSCAN's ``init_cfg``)."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def network_of_step(
    settings: Settings, step: int, old_state: dict | None, new_rows: str, pretrained: bool = True
) -> SegmentationAdapter | ClassificationAdapter:
    """The network that ``step`` trains, with its weights set.

    Args:
        settings: The run's; initial weights depend on its seed and on the step only.
        step: The step.
        old_state: Weights after the step before; None at the first step.
        new_rows: How rows of new classes start, see :func:`vdfd_seg.models.grow`.
        pretrained: At the first step, read the files of initial weights that the config names.
    """
    torch.manual_seed(derived_seed(settings.seed, "weights", step))
    protocol, pretrained = settings.protocol, pretrained and old_state is None
    model = settings.for_step(step).model
    network, _ = build_network(model, protocol.task_sizes(step), pretrained)
    adapter = checked_adapter(network, protocol)
    if old_state is not None:
        adapter.load(old_state, protocol.num_classes(step - 1), new_rows)
    network.to(get_device())
    return adapter


def checked_adapter(
    network: nn.Module, protocol: Protocol
) -> SegmentationAdapter | ClassificationAdapter:
    """The adapter of a network, refused where the protocol is about another problem."""
    adapter = adapter_of(network, protocol.scenario)
    protocol.check_problem(f"model type {type(network).__name__}", adapter.problem)
    return adapter


def finished_network(model: dict, sizes: int | Sequence[int], state: dict) -> nn.Module:
    """A network of an earlier step with its weights, frozen, in evaluation mode.

    For ``sizes`` see :func:`model_config`.
    """
    network, _ = build_network(model, sizes)
    num_classes = sizes if isinstance(sizes, int) else sum(sizes)
    adapter_of(network, "class").load(state, num_classes)
    return network.to(get_device()).eval().requires_grad_(False)
