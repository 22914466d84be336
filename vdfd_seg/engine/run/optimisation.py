"""How long a step trains, and with which optimiser and schedules."""

import logging
import math
from contextlib import contextmanager
from fractions import Fraction

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_dist_info, is_distributed
from mmengine.logging import MMLogger
from mmengine.optim import AmpOptimWrapper, OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIMIZERS, PARAM_SCHEDULERS
from torch import nn

from vdfd_seg.engine.input.unsupported import divides_state
from vdfd_seg.engine.input.validation import scales_rate
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.registry import OPTIM_WRAPPERS
from vdfd_seg.utils.nested import as_list

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def total_batch(config: Config) -> int:
    """Images of an iteration, those of all processes together."""
    return config.train_dataloader["batch_size"] * get_dist_info()[1]


def iterations_of(config: Config, images: int) -> int:
    """Iterations of a step that trains on so many images."""
    cycle = config.train_cfg
    if "max_iters" in cycle:
        return int(cycle["max_iters"])
    return int(cycle["max_epochs"]) * math.ceil(images / total_batch(config))


def optimisation(config: Config, network: nn.Module, images: int) -> tuple[OptimWrapper, list]:
    """Optimiser and schedulers, which step by iteration, of a step that trains on so many images.

    A schedule's numbers count iterations, under ``by_epoch=True`` passes over the step's images.
    With ``auto_scale_lr`` the learning rate grows with the batch of all processes, as MMEngine's
    (Goyal et al., arXiv 1706.02677).

    Args:
        config: The step's config.
        network: What is trained; a method trains its own parameters itself.
        images: How many.

    Raises:
        InputError: For an optimiser that does not exist, or needs a group of processes.
    """
    given = config.optim_wrapper.get("optimizer") or {}
    kind = given.get("type")
    if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
        # MMEngine's own message does not name it.
        raise unknown_name("optimizer", kind, OPTIMIZERS.module_dict)
    if divides_state(given) and not is_distributed():
        raise InputError(
            f"{kind} divides the optimiser's state among the processes of a group, and "
            f"there is none: start with 'bash tools/dist_train.sh CONFIG PROCESSES' (1 will do), "
            f"or take optimizer.type='{given.get('optimizer_type')}'."
        )
    logger = MMLogger.get_current_instance()
    logger.addFilter(_is_news)
    try:
        wrapper = build_optim_wrapper(network, dict(config.optim_wrapper))
    finally:
        logger.removeFilter(_is_news)
    if scales_rate(config):
        for group in wrapper.param_groups:
            group["lr"] *= total_batch(config) / config.auto_scale_lr["base_batch_size"]
    epoch, iterations = math.ceil(images / total_batch(config)), iterations_of(config, images)
    schedulers = []
    for each in as_list(config.get("param_scheduler")):
        by_epoch = each.get("by_epoch", False)
        # Without an end of its own it has the step's; of an epoch an exact part.
        end = Fraction(iterations, epoch) if by_epoch else iterations
        scheduler = {"end": end, **each, "by_epoch": by_epoch, "convert_to_iter_based": by_epoch}
        default = {"optimizer": wrapper, "epoch_length": epoch}
        schedulers.append(PARAM_SCHEDULERS.build(scheduler, default_args=default))
    return wrapper, schedulers


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a parameter does not train: a method has frozen it, or the config."""
    return "is skipped since its requires_grad=False" not in str(record.msg)


@OPTIM_WRAPPERS.register_module()
class DeviceAmpOptimWrapper(OptimWrapper):
    """An optimiser wrapper that autocasts on the CPU too, where MMEngine's asserts a GPU.

    Args:
        dtype: ``"bfloat16"``, or ``"float16"`` on a GPU, whose loss is scaled by MMEngine's.
        **kwargs: Those of MMEngine's ``OptimWrapper``.
    """

    def __new__(cls, dtype: str = "bfloat16", **kwargs):
        if dtype not in DTYPES:
            raise InputError(f"optim_wrapper.dtype '{dtype}' is not one of {tuple(DTYPES)}.")
        if dtype == "float16":
            if get_device() == "cpu":
                raise InputError("optim_wrapper.dtype='float16' needs a GPU; use 'bfloat16'.")
            return AmpOptimWrapper(dtype=dtype, loss_scale="dynamic", **kwargs)
        return super().__new__(cls)

    def __init__(self, dtype: str = "bfloat16", **kwargs):
        super().__init__(**kwargs)
        self.dtype = DTYPES[dtype]
        self.device = get_device()

    @contextmanager
    def optim_context(self, model):
        """Autocast the forward pass."""
        with super().optim_context(model), torch.autocast(self.device, self.dtype):
            yield
