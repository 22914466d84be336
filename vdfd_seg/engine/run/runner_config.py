"""Parts of a step's Runner that need more than the config says."""

from mmengine.device import get_device
from mmengine.registry import PARAM_SCHEDULERS


def step_hooks(given: dict) -> dict:
    """MMEngine's default hooks and ours, as the config's ``default_hooks`` changes them."""
    hooks = {**given, "checkpoint": None, "sampler_seed": None}
    health = hooks.pop("loss_health", {})
    if health is not None:
        hooks["loss_health"] = {"type": "vdfd_seg.LossHealthHook", **health}
    return hooks


def model_wrapper(cfg: dict | None) -> dict | None:
    """The config's ``model_wrapper_cfg``, for processes without GPUs too.

    MMEngine gives every process a GPU unless the config says that there is none.
    """
    if get_device() != "cpu":
        return cfg
    default = {"type": "MMDistributedDataParallel", "broadcast_buffers": False}
    return {**default, **(cfg or {}), "device_ids": None}


def build_schedulers(configs, optim_wrapper, epoch: int, iterations: int) -> list:
    """The schedulers of a step, which step by iteration.

    Args:
        configs: The config's ``param_scheduler``: None, one, or several.
        optim_wrapper: What they schedule.
        epoch: Iterations of an epoch.
        iterations: Those of the step.
    """
    configs = configs or []
    parts = configs if isinstance(configs, (list, tuple)) else [configs]
    return [
        PARAM_SCHEDULERS.build(
            {"end": iterations, **in_iterations(each, epoch, iterations)},
            default_args={"optimizer": optim_wrapper, "epoch_length": epoch},
        )
        for each in parts
    ]


def in_iterations(scheduler: dict, epoch: int, iterations: int) -> dict:
    """A scheduler that steps by iteration, over the whole step where the config names no end.

    Under ``by_epoch=True`` the config's numbers are epochs: a pass over the step's images.

    Args:
        scheduler: Its config.
        epoch: Iterations of an epoch.
        iterations: Those of the step.
    """
    scheduler = {"by_epoch": False, **scheduler}
    if scheduler["by_epoch"]:
        scheduler["by_epoch"] = False
        for key in ("begin", "end", "T_max", "step_size"):
            if scheduler.get(key) is not None:
                scheduler[key] *= epoch
        if "milestones" in scheduler:
            scheduler["milestones"] = [epoch * number for number in scheduler["milestones"]]
    if scheduler["type"] in ("PolyLR", "LinearLR", "ConstantLR") and "end" not in scheduler:
        scheduler["end"] = iterations
    if scheduler["type"] == "CosineAnnealingLR" and "T_max" not in scheduler:
        scheduler["T_max"] = iterations
    return scheduler
