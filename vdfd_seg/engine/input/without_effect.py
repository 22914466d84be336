"""Keys of MMEngine's and MMSegmentation's configs that have no effect here."""

from collections.abc import Iterator, Mapping

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.optim import ReduceOnPlateauLR, ReduceOnPlateauMomentum
from mmengine.registry import HOOKS, PARAM_SCHEDULERS

from vdfd_seg.datasets.segmentation.task_dataset import kind_of
from vdfd_seg.errors import InputError

NOTICES = {
    ("val_dataloader", "val_cfg", "val_evaluator", "test_cfg", "test_evaluator",
     "train_cfg.val_interval"):
        "every step is evaluated on test_dataloader by the protocol's metric",
    ("default_hooks.checkpoint",): "save_interval says when the state is saved",
    ("default_hooks.visualization",): "examples and prediction_dir write predictions",
    ("tta_model", "compile", "efficient_conv_bn_eval"): "not supported",
}  # fmt: skip
"""Keys that most configs have and that change no result: what there is instead."""

REFUSED = {
    "load_from": "weights that a run begins with are given with --init-from (of a run like this), "
    "tools/adopt.py (a segmentation network that MMSegmentation trained) or "
    "model.backbone.init_cfg (of the backbone alone)",
    "growth": "new rows begin from the background's with method.new_rows='balanced', which methods "
    "that are defined by it have",
    "resume": "give --resume on the command line",
    "auto_scale_lr": "set optim_wrapper.optimizer.lr to the rate of this batch size",
    "randomness": "write seed = N, from which every draw of the run follows",
    "sync_bn": "write SyncBN as the type of the model's norm_cfg",
    "find_unused_parameters": "write model_wrapper_cfg = dict(type='MMDistributedDataParallel', "
    "find_unused_parameters=True)",
    "activation_checkpointing": "set with_cp=True in model.backbone",
}
"""Keys that would change what is learned, or whether it fits: what to do instead."""

VALIDATED = "nothing is validated while a step trains"
PARTS = {
    EMAHook: "a method and the next step go on from the trained weights, not from their average",
    EarlyStoppingHook: VALIDATED,
    ReduceOnPlateauLR: VALIDATED,
    ReduceOnPlateauMomentum: VALIDATED,
}
"""Hooks and schedulers that are refused, and why."""

SAMPLERS = ("", "InfiniteSampler", "DefaultSampler")


def check_effect(path, config: Config) -> None:
    """Refuse what would be accepted, do nothing, and leave other results than it promises.

    Args:
        path: The config file, for the message.
        config: The config, or that of a step.

    Raises:
        InputError: Naming the key, and what to do instead.
    """
    for key, instead in REFUSED.items():
        value = config.get(key)
        if isinstance(value, Mapping):
            # The values of a switch that is off.
            value = value.get("enable", any(each not in (None, False) for each in value.values()))
        if value:
            raise InputError(f"config '{path}': {key} has no effect here: {instead}.")
    hooks = [*(config.get("default_hooks") or {}).values(), *(config.get("custom_hooks") or [])]
    schedulers = config.get("param_scheduler") or []
    schedulers = [schedulers] if isinstance(schedulers, Mapping) else schedulers
    for registry, parts in ((HOOKS, hooks), (PARAM_SCHEDULERS, schedulers)):
        for kind in _kinds(registry, parts):
            for refused, why in PARTS.items():
                if issubclass(kind, refused):
                    raise InputError(
                        f"config '{path}': {kind.__name__} has no effect here, for {why}; "
                        f"take it out."
                    )
    if kind_of((config.train_dataloader.get("sampler") or {}).get("type", "")) not in SAMPLERS:
        raise InputError(
            f"config '{path}': train_dataloader.sampler has no effect here: every pass draws each "
            f"image of the step once, so that a resumed run draws the same; take it out."
        )


def notice(config: Config) -> str | None:
    """One line on the keys that something else takes the place of; None without any."""
    found = []
    for keys, instead in NOTICES.items():
        given = [key for key in keys if _at(config, key)]
        if given:
            found.append(f"{', '.join(given)} ({instead})")
    return f"not used here: {'; '.join(found)}" if found else None


def _at(config: Config, key: str):
    for part in key.split("."):
        config = config.get(part) if config else None
    return config


def _kinds(registry, parts) -> Iterator[type]:
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        kind = registry.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type):
            yield kind
