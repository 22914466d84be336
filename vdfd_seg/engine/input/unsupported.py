"""Keys of MMEngine's and MMSegmentation's configs that are refused, or reported as not used."""

from collections.abc import Iterator, Mapping

from mmengine.config import Config
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.optim import ReduceOnPlateauLR, ReduceOnPlateauMomentum
from mmengine.registry import HOOKS, PARAM_SCHEDULERS

from vdfd_seg.datasets.segmentation.task_dataset import kind_of
from vdfd_seg.errors import InputError
from vdfd_seg.utils.nested import as_list

NOTICES = {
    ("val_dataloader", "val_cfg", "val_evaluator", "test_cfg", "test_evaluator",
     "train_cfg.val_interval"):
        "every step is evaluated on test_dataloader by the protocol's metric",
    ("default_hooks.checkpoint",): "save_interval says when the state is saved",
    ("default_hooks.visualization",): "examples and prediction_dir write predictions",
    ("tta_model", "tta_pipeline"): "test.py --tta has the scales and flips of MMSegmentation",
    ("efficient_conv_bn_eval",): "not supported",
}  # fmt: skip
"""Keys that most configs have and that change no result, with the replacement."""

REFUSED = {
    "load_from": "give initial weights with --init-from (a step 0 of this package), tools/adopt.py "
    "(a network that MMSegmentation trained) or model.backbone.init_cfg (the backbone alone)",
    "growth": "method.new_rows sets how new rows start: 'balanced' takes them from that of the "
    "background",
    "resume": "give --resume on the command line",
    "randomness": "write seed = N, which decides every random draw of the run",
    "sync_bn": "write SyncBN as the type of the model's norm_cfg",
    "find_unused_parameters": "write model_wrapper_cfg = dict(type='MMDistributedDataParallel', "
    "find_unused_parameters=True)",
    "activation_checkpointing": "set with_cp=True in model.backbone",
    **dict.fromkeys(
        ("strategy", "runner_type"),
        "it is of MMEngine's FlexibleRunner; several processes train with data parallelism "
        "(tools/dist_train.sh)",
    ),
}
"""Keys that would change the result, or the memory, of a run, with the replacement."""

VALIDATED = "nothing is validated while a step trains"
PARTS = {
    EMAHook: "a method and the next step continue from the trained weights, not from their average",
    EarlyStoppingHook: VALIDATED,
    ReduceOnPlateauLR: VALIDATED,
    ReduceOnPlateauMomentum: VALIDATED,
}
"""Hooks and schedulers that are refused, and why."""

SHARDED = ("fsdp", "fullyshard", "deepspeed", "colossal", "zero3", "megatron")
"""Parts of the names, in lower case without underscores, of types that divide parameters."""

ZERO = "ZeroRedundancyOptimizer"


def check_supported(config: Config) -> None:
    """Refuse keys that would break a method, or that would be ignored and change the results."""
    _check_sharding(config)
    _check_effect(config)
    optimizer = config.optim_wrapper.get("optimizer") or {}
    if divides_state(optimizer) and optimizer.get("overlap_with_ddp"):
        raise InputError(
            "optim_wrapper.optimizer.overlap_with_ddp updates weights while gradients are still "
            "computed, before a method has seen them; take it out."
        )


def divides_state(optimizer: Mapping) -> bool:
    """Whether an optimiser's config divides its state among processes, as ZeRO-1 does."""
    kind = optimizer.get("type")
    return getattr(kind, "__name__", kind) in (ZERO, f"mmengine.{ZERO}")


def _check_sharding(config):
    """Refuse a config that divides the parameters among processes.

    Gradient memories, importances and penalties are sums over a layer's filters, between weights
    and gradients of the same shape (:func:`~vdfd_seg.distillation.penalisable_parameters`). Under
    FSDP, ZeRO-3 (DeepSpeed) or ColossalAI a process has pieces of flattened parameters, in which
    filters start and end anywhere. The sums would be wrong, without an error.
    """
    for key in ("model_wrapper_cfg", "strategy", "optim_wrapper", "optim_wrapper.optimizer"):
        kind = _at(config, f"{key}.type")
        name = str(getattr(kind, "__name__", kind))
        if any(part in name.lower().replace("_", "") for part in SHARDED):
            raise InputError(
                f"{key}.type='{name}' divides the parameters among processes, which breaks the "
                f"sums over a layer's filters that methods need. Use plain data parallelism (take "
                f"{key} out). To save memory, divide the optimiser's state: "
                f"optim_wrapper.optimizer=dict(type='{ZERO}', optimizer_type='SGD', ...)."
            )


def _check_effect(config):
    for key, instead in REFUSED.items():
        value = config.get(key)
        if isinstance(value, Mapping):
            # The values of a switch that is off.
            value = value.get("enable", any(each not in (None, False) for each in value.values()))
        if value:
            raise InputError(f"{key} has no effect here: {instead}.")
    pipeline = config.test_dataloader.dataset.get("pipeline") or []
    if any(kind_of(step.get("type", "")) == "TestTimeAug" for step in pipeline):
        raise InputError(
            "test_dataloader.dataset.pipeline has TestTimeAug, which gives several views of an "
            "image; steps are evaluated on one. Take it out, and use tools/test.py --tta."
        )
    hooks = [*(config.get("default_hooks") or {}).values(), *(config.get("custom_hooks") or [])]
    if any(isinstance(part, Mapping) and part.get("save_best") for part in hooks):
        raise InputError(
            f"CheckpointHook's save_best has no effect here, for {VALIDATED}; take it out."
        )
    schedulers = as_list(config.get("param_scheduler"))
    for registry, parts in ((HOOKS, hooks), (PARAM_SCHEDULERS, schedulers)):
        for kind in _kinds(registry, parts):
            why = next((why for part, why in PARTS.items() if issubclass(kind, part)), None)
            if why:
                raise InputError(f"{kind.__name__} has no effect here, for {why}; take it out.")
    sampler = kind_of((config.train_dataloader.get("sampler") or {}).get("type", ""))
    if sampler not in ("", "InfiniteSampler", "DefaultSampler"):
        raise InputError(
            "train_dataloader.sampler has no effect here: every pass draws each image of the step "
            "once, so that a resumed run draws the same; take it out."
        )


def notice(config: Config) -> str | None:
    """One line on the keys that are not used; None if there are none."""
    given = {tuple(k for k in keys if _at(config, k)): why for keys, why in NOTICES.items()}
    found = [f"{', '.join(keys)} ({instead})" for keys, instead in given.items() if keys]
    return f"not used here: {'; '.join(found)}" if found else None


def _at(config: Config, key: str):
    value = config
    for part in key.split("."):
        # MMEngine's Config is no Mapping, what is in it is.
        value = value.get(part) if isinstance(value, (Config, Mapping)) else None
    return value


def _kinds(registry, parts) -> Iterator[type]:
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        kind = registry.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type):
            yield kind
