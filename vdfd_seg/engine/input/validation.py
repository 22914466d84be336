"""Checks of a config that need no data: required keys, and values that must fit each other."""

from collections.abc import Mapping

from mmengine.config import Config

from vdfd_seg.engine.input.unsupported import check_supported
from vdfd_seg.errors import InputError, nearest, warn
from vdfd_seg.losses import TaskAwareLoss
from vdfd_seg.methods.common.base import COMMON, Method
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import MODELS
from vdfd_seg.utils.nested import types_in
from vdfd_seg.utils.paths import method_names

REQUIRED = ("model", "protocol", "method", "train_dataloader", "test_dataloader", "train_cfg",
            "optim_wrapper")  # fmt: skip

KEYS = (
    *REQUIRED, "data_preparation", "param_scheduler", "step_overrides", "evaluate_on",
    "examples", "save_interval", "seed", "default_hooks", "custom_hooks", "custom_imports",
    "env_cfg", "visualizer", "log_processor", "log_level", "default_scope", "launcher", "work_dir",
    "model_wrapper_cfg", "data_root", "data_preprocessor", "prediction_dir", "method_name",
    "rehearsal", "forward_transfer", "auto_scale_lr", "compile",
)  # fmt: skip
"""Keys that mean something. Others are a config's own variables, unless nearly one of these."""

LOOPS = (None, "IterBasedTrainLoop", "EpochBasedTrainLoop")


def check_keys(config: Config) -> None:
    """Refuse a config that lacks a required key, or has a misspelt one."""
    for key in config:
        near = nearest(key, KEYS, cutoff=0.85)
        if key not in KEYS and near:
            raise InputError(f"unknown key '{key}'. Did you mean '{near}'?")
    for key in REQUIRED:
        if key not in config:
            add = f" Add --method NAME, one of {', '.join(method_names())}, or the key."
            raise InputError(f"the key '{key}' is missing.{add if key == 'method' else ''}")
        if not isinstance(config[key], Mapping):
            raise InputError(f"'{key}' must be a dict, not {config[key]!r}.")


def check_step(config: Config, protocol: Protocol) -> None:
    """Refuse the config of a step that cannot be trained or evaluated.

    For a misspelt or missing key, a ``train_cfg`` without one length, or sizes at which
    MMSegmentation would fail later.
    """
    check_keys(config)
    for key in ("train_dataloader", "test_dataloader"):
        for part in ("dataset", "batch_size"):
            if part not in config[key]:
                raise InputError(f"the key '{key}.{part}' is missing.")
        if protocol.problem == "segmentation" and "pipeline" not in config[key].dataset:
            raise InputError(f"the key '{key}.dataset.pipeline' is missing.")
    _check_sizes(config.model)
    _check_cycle(config.train_cfg)
    base = (config.get("auto_scale_lr") or {}).get("base_batch_size")
    if scales_rate(config) and (not isinstance(base, int) or base < 1):
        raise InputError(
            f"auto_scale_lr.base_batch_size must be the batch of all processes together that "
            f"optim_wrapper.optimizer.lr is for, not {base!r}."
        )
    if not isinstance(config.get("compile"), (bool, Mapping, type(None))):
        raise InputError("compile must be True or a dict of torch.compile's arguments.")
    if config.get("forward_transfer") and protocol.scenario == "class":
        raise InputError(
            "forward_transfer is for domain- and task-incremental protocols: in class-incremental "
            "ones nothing predicts a new class before it is trained; take it out."
        )
    check_supported(config)


def _check_sizes(model):
    preprocessor = model.get("data_preprocessor") or {}
    if str(preprocessor.get("type")).endswith("SegDataPreProcessor"):
        given = [preprocessor.get(key) is not None for key in ("size", "size_divisor")]
        if sum(given) != 1:
            raise InputError(
                f"model.data_preprocessor has {'both' if all(given) else 'neither'} of size and "
                f"size_divisor; set model.data_preprocessor.size to the size of the crops, as "
                f"(height, width), and take size_divisor out."
            )
    test_cfg = model.get("test_cfg") or {}
    for key in ("crop_size", "stride") if test_cfg.get("mode") == "slide" else ():
        value = test_cfg.get(key)
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            pair = f"({value}, {value})" if isinstance(value, int) else "(height, width)"
            raise InputError(f"model.test_cfg.{key}={value!r} must be a pair: write {key}={pair}.")


def scales_rate(config: Mapping | Config) -> bool:
    """Whether a config's learning rate is scaled with the batch of all processes."""
    return bool((config.get("auto_scale_lr") or {}).get("enable"))


def _check_cycle(cycle):
    given = [key for key in ("max_iters", "max_epochs") if key in cycle]
    if len(given) != 1:
        both = ", not both; where one is inherited, write _delete_=True next to the other"
        raise InputError(f"train_cfg needs either max_iters or max_epochs{both if given else ''}.")
    unknown = set(cycle) - {"max_iters", "max_epochs", "type", "val_interval"}
    if unknown:
        raise InputError(f"train_cfg has an unknown key '{min(unknown)}'; delete it.")
    if cycle.get("type") not in LOOPS:
        raise InputError(f"train_cfg.type='{cycle['type']}' has no effect here; delete it.")
    key = "max_iters" if "max_iters" in cycle else "max_epochs"
    if not isinstance(cycle[key], int) or cycle[key] < 1:
        raise InputError(f"train_cfg.{key} must be a number above 0, not {cycle[key]!r}.")


def check_method(method: Method, config: Config, protocol: Protocol) -> None:
    """Refuse a method that does not fit the protocol; warn where a part of it has no effect."""
    what = f"method {config.method.type}"
    # Domain-incremental no row is new, and nothing is hidden.
    domains = protocol.scenario == "domain"
    lacks_background = not domains and protocol.background is None
    protocol.check_problem(what, *method.problems)
    for name, each in {**COMMON, **method.options}.items():
        value = config.method.get(name, each.default)
        if value not in each.elsewhere:
            protocol.check_problem(f"{what}: {name}={value!r}", *each.problems, advice=each.advice)
    method.check(protocol)
    rows = config.method.get("new_rows", "random")
    if rows != "random" and lacks_background:
        raise InputError(
            f"method.new_rows='{rows}' takes the rows of new classes from the background's, which "
            f"protocol '{protocol.name}' does not have: set method.new_rows='random', or name the "
            f"class in protocol.background."
        )
    if method.fuse is True and domains:
        raise InputError(
            "method.fuse=True takes its share from the number of new classes, and "
            "domain-incremental there are none: give a share from 0 to 1."
        )
    if lacks_background:
        notes = []
        if method.without_background:
            notes.append(f"{what} is {method.without_background}")
        if config.method.get("unbiased_loss") or any(map(_task_aware, types_in(config.model))):
            notes.append("a loss that expects old classes in the background becomes the plain one")
        if notes:
            warn(f"protocol '{protocol.name}' has no background: {'; '.join(notes)}.")


def _task_aware(kind: str) -> bool:
    """Whether a part of the model is a loss that is told how many classes are hidden."""
    found = MODELS.get(kind)
    return isinstance(found, type) and issubclass(found, TaskAwareLoss)
