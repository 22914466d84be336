"""What of a model may be divided among processes: the optimiser's state, not the parameters."""

from collections.abc import Mapping
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.dist import is_distributed

from vdfd_seg.errors import InputError

SHARDED = ("fsdp", "fullyshard", "deepspeed", "colossal", "zero3", "megatron")
"""Parts of the names, in lower case without underscores, of types that divide parameters."""

ZERO = "ZeroRedundancyOptimizer"


def check_sharding(path: str | Path, config: Config | Mapping) -> None:
    """Refuse a config that divides the parameters among processes.

    Gradient memories, importances and penalties are sums over a layer's filters, between weights
    and gradients of the same shape (:func:`~vdfd_seg.distillation.penalisable_parameters`). Under
    FSDP, ZeRO-3 (DeepSpeed) or ColossalAI a process sees pieces of flattened parameters, in which
    filters begin and end anywhere: those sums would be of something else, without an error.

    Args:
        path: The config file, for the message.
        config: The config, or that of a step.

    Raises:
        InputError: Naming the key. ``strategy`` and ``runner_type`` of MMEngine's FlexibleRunner
            are refused whatever they name: they have no effect here.
    """
    for key in ("model_wrapper_cfg", "strategy", "optim_wrapper", "optim_wrapper.optimizer"):
        first, *rest = key.split(".")
        # MMEngine's Config is no Mapping, what is in it is.
        kind = config.get(first)
        for part in (*rest, "type"):
            kind = kind.get(part) if isinstance(kind, Mapping) else None
        name = getattr(kind, "__name__", kind)
        if name and any(part in str(name).lower().replace("_", "") for part in SHARDED):
            raise InputError(
                f"config '{path}': {key}.type='{name}' divides the parameters among processes, "
                f"which breaks the sums over a layer's filters that methods need. Use plain data "
                f"parallelism (take {key} out); to divide the optimiser's state, which is what "
                f"takes memory beside the parameters, write optim_wrapper.optimizer="
                f"dict(type='{ZERO}', optimizer_type='SGD', ...)."
            )
    for key in ("strategy", "runner_type"):
        if key in config:
            raise InputError(
                f"config '{path}': {key} is of MMEngine's FlexibleRunner and has no effect here; "
                f"take it out. Several processes train with data parallelism "
                f"(tools/dist_train.sh)."
            )


def check_zero(path: str | Path, config: Config | Mapping) -> None:
    """Refuse a divided optimiser's state where there is no process group to divide it among.

    Args:
        path: The config file or its name, for the message.
        config: The config of a step.

    Raises:
        InputError: For ``ZeroRedundancyOptimizer`` without ``--launcher``, with
            ``overlap_with_ddp`` (no gradient would reach the method before the update), or
            without a known ``optimizer_type``.
    """
    optimizer = config["optim_wrapper"].get("optimizer") or {}
    kind = optimizer.get("type")
    if getattr(kind, "__name__", kind) not in (ZERO, f"mmengine.{ZERO}"):
        return
    inner = optimizer.get("optimizer_type")
    if not isinstance(inner, str) or not hasattr(torch.optim, inner):
        raise InputError(
            f"config '{path}': optim_wrapper.optimizer.optimizer_type={inner!r} must name the "
            f"optimiser of torch.optim whose state is divided, for instance 'SGD'."
        )
    if optimizer.get("overlap_with_ddp"):
        raise InputError(
            f"config '{path}': optim_wrapper.optimizer.overlap_with_ddp updates weights while "
            f"gradients are still computed, before a method has seen them; take it out."
        )
    if not is_distributed():
        raise InputError(
            f"config '{path}': {ZERO} divides the optimiser's state among the processes of a "
            f"group, and there is none: start with 'bash tools/dist_train.sh CONFIG PROCESSES' "
            f"(1 will do), or take optimizer.type='{inner}'."
        )
