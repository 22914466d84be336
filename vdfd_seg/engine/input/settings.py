"""From a config file to checked settings."""

import copy
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from vdfd_seg.engine.input.custom_imports import import_modules
from vdfd_seg.engine.input.sharding import check_sharding
from vdfd_seg.engine.input.without_effect import check_effect
from vdfd_seg.errors import InputError, nearest, warn
from vdfd_seg.losses import TaskAwareLoss
from vdfd_seg.methods import Method, build_method
from vdfd_seg.protocols import Protocol, build_protocol
from vdfd_seg.registry import MODELS
from vdfd_seg.utils.checkpoint import to_plain
from vdfd_seg.utils.paths import method_names, resolve_run, run_name

REQUIRED = ("model", "protocol", "method", "train_dataloader", "test_dataloader", "train_cfg",
            "optim_wrapper")  # fmt: skip

KEYS = (
    *REQUIRED, "data_preparation", "param_scheduler", "step_overrides", "evaluate_on",
    "examples", "save_interval", "seed", "default_hooks", "custom_hooks", "custom_imports",
    "env_cfg", "visualizer", "log_processor", "log_level", "default_scope", "launcher", "work_dir",
    "model_wrapper_cfg", "data_root", "data_preprocessor", "prediction_dir", "method_name",
    "rehearsal",
)  # fmt: skip
"""Keys that mean something. Others are a config's own variables, unless nearly one of these."""

WHOLE_RUN = {"protocol", "method", "seed", "evaluate_on", "data_preparation", "step_overrides"}
"""Keys that a step cannot override."""


_TRAINS = ("model", "method", "train_cfg", "optim_wrapper", "param_scheduler")


@dataclass
class Settings:
    """A config, its protocol, and what the command line added.

    Attributes:
        config: The MMEngine config.
        name: The config's file name without suffix.
        protocol: The protocol it describes.
        seed: Seed of the run.
    """

    config: Config
    name: str
    protocol: Protocol
    seed: int

    @cached_property
    def text(self) -> str:
        """The whole config, with what the command line changed, as a config file.

        A value that no config can hold as text, such as a function, is written as Python shows it.
        """
        try:
            return self.config.pretty_text
        except SyntaxError:
            return "".join(f"{key} = {value!r}\n" for key, value in self.config.to_dict().items())

    def trained_with(self, step: int) -> dict:
        """What of the config a step's weights follow from, once it has begun, as plain data.

        Where initial weights come from does not enter: those that follow from them are kept.
        """
        config = self.for_step(step).to_dict()
        parts = {key: config.get(key) for key in _TRAINS}
        parts["model"] = without_keys(parts["model"], "init_cfg", "pretrained")
        return to_plain(parts, "config")

    def method(self) -> Method:
        """A new method as the config describes it."""
        return build_method(self.config.method)

    def work_dir(self, given: str | None = None) -> Path:
        """Where to write: what is given, else the config's ``work_dir``, else work_dirs/NAME."""
        return Path(given or self.config.get("work_dir") or f"work_dirs/{self.name}")

    def for_step(self, step: int) -> Config:
        """The config of one step: ``step_overrides`` merged in.

        Keys of ``step_overrides`` are step numbers or Python slices over steps, as
        text: ``"0"``, ``"1:"``. Later entries win.

        Raises:
            InputError: For a key that is neither, or a value that is no dict or
                changes what holds for the whole run.
        """
        config = copy.deepcopy(self.config)
        overrides = config.pop("step_overrides", {}) or {}
        if not isinstance(overrides, Mapping):
            raise InputError("step_overrides must be a dict of steps and what changes there.")
        for key, values in overrides.items():
            whole = WHOLE_RUN & set(values) if isinstance(values, Mapping) else {"no dict"}
            if whole:
                raise InputError(
                    f"step_overrides '{key}' must be a dict without "
                    f"{', '.join(sorted(WHOLE_RUN))}, which hold for the whole run; found "
                    f"{min(whole)}."
                )
            if step in parse_steps(str(key), len(self.protocol.tasks), "step_overrides"):
                config.merge_from_dict(values)
        return config


def load_settings(
    path: str | Path,
    options: Mapping | None = None,
    seed: int | None = None,
    amp: bool = False,
    fragment: Path | None = None,
) -> Settings:
    """Read and check a config.

    Args:
        path: The config file.
        options: ``--cfg-options``: dotted keys and values.
        seed: Overrides the config's ``seed`` (default 0).
        amp: Train with automatic mixed precision.
        fragment: A file with the method, for a config without one: see
            :func:`vdfd_seg.utils.paths.resolve_run`.

    Raises:
        InputError: For a file that is missing or cannot be read, a missing key, a
            misspelt key, divided parameters, and whatever the protocol or the method refuses.
    """
    path = Path(path)
    config = _read(path, options, fragment)
    _check_keys(path, config)
    if "method" not in config:
        raise InputError(
            f"config '{path}': the key 'method' is missing. Add --method NAME, one of "
            f"{', '.join(method_names())}, or the key."
        )
    for key in REQUIRED:
        if key not in config:
            raise InputError(f"config '{path}': the key '{key}' is missing.")
        if not isinstance(config[key], Mapping):
            raise InputError(f"config '{path}': '{key}' must be a dict, not {config[key]!r}.")
    protocol = build_protocol(config.protocol)
    for key in ("train_dataloader", "test_dataloader"):
        for part in ("dataset", "batch_size"):
            if part not in config[key]:
                raise InputError(f"config '{path}': the key '{key}.{part}' is missing.")
        if protocol.problem == "segmentation" and "pipeline" not in config[key].dataset:
            raise InputError(f"config '{path}': the key '{key}.dataset.pipeline' is missing.")
    _check_cycle(path, config.train_cfg)
    check_sharding(path, config)
    check_effect(path, config)
    if amp and config.optim_wrapper.get("type") == "OptimWrapper":
        config.optim_wrapper.type = "vdfd_seg.DeviceAmpOptimWrapper"
    seed = config.get("seed", 0) if seed is None else seed
    config.seed = seed
    settings = Settings(config, run_name(path, fragment), protocol, seed)
    method = settings.method()
    if protocol.problem not in method.problems:
        raise InputError(
            f"config '{path}': method {config.method.type} is not for {protocol.problem}."
        )
    method.check(protocol)
    _check_new_rows(config.method, path, protocol)
    if method.fuse is True and protocol.scenario == "domain":
        raise InputError(
            f"config '{path}': method.fuse=True takes its share from the number of new classes, "
            f"and domain-incremental there are none: give a share from 0 to 1."
        )
    _say_without_background(protocol, method, config)
    for step in range(len(settings.protocol.tasks)):
        config = settings.for_step(step)
        _check_keys(path, config)
        _check_cycle(path, config.train_cfg)
        check_sharding(path, config)
        check_effect(path, config)
    return settings


def load_run(
    config: str | Path,
    method: str | Path | None = None,
    options: Mapping | None = None,
    seed: int | None = None,
    amp: bool = False,
) -> Settings:
    """Read and check what a benchmark, a method or a config is named by.

    Args:
        config: As in :func:`vdfd_seg.utils.paths.resolve_run`.
        method: Likewise.
        options: As in :func:`load_settings`; so are the others.
        seed: See there.
        amp: See there.

    Raises:
        InputError: As :func:`load_settings`, and for an unknown name.
    """
    path, fragment = resolve_run(config, method)
    return load_settings(path, options, seed, amp, fragment)


def load_protocol(path: str | Path, options: Mapping | None = None) -> Protocol:
    """The protocol of a config of which nothing else is needed.

    Args:
        path: The config file.
        options: ``--cfg-options``: dotted keys and values.

    Raises:
        InputError: For a file that is missing or cannot be read, or a protocol that is refused.
    """
    config = _read(Path(path), options)
    if "protocol" not in config:
        raise InputError(f"config '{path}': the key 'protocol' is missing.")
    return build_protocol(config.protocol)


def _read(path, options, fragment=None):
    config = _from_file(path)
    if fragment is not None:
        own = _from_file(fragment)
        for key in own:
            if key in config:
                raise InputError(
                    f"config '{path}' has a key '{key}' of its own, which '{fragment}' sets too: "
                    f"leave out --method, or take the key out of one of them."
                )
        config.merge_from_dict(own.to_dict())
    try:
        options = dict(options or {})
        config.merge_from_dict(options)
        _follow_data_root(config, options)
    except Exception as error:
        raise _unreadable(path, error) from error
    import_modules(path, config.get("custom_imports"))
    return config


def _from_file(path):
    if not path.is_file():
        raise InputError(f"config '{path}' does not exist.")
    try:
        return Config.fromfile(path, import_custom_modules=False)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    reason = str(error).strip().splitlines()
    kind = type(error).__name__
    return InputError(f"config '{path}' cannot be read: {kind}: {reason[0] if reason else ''}")


def _check_keys(path, config):
    for key in config:
        near = nearest(key, KEYS, cutoff=0.85)
        if key not in KEYS and near:
            raise InputError(f"config '{path}': unknown key '{key}'. Did you mean '{near}'?")


def _check_cycle(path, cycle):
    if not isinstance(cycle, Mapping) or ("max_iters" in cycle) == ("max_epochs" in cycle):
        raise InputError(f"config '{path}': train_cfg needs either max_iters or max_epochs.")
    unknown = set(cycle) - {"max_iters", "max_epochs", "type", "val_interval"}
    if unknown:
        raise InputError(f"config '{path}': train_cfg has an unknown key '{min(unknown)}'.")
    if cycle.get("type") not in (None, "IterBasedTrainLoop", "EpochBasedTrainLoop"):
        raise InputError(f"config '{path}': train_cfg.type='{cycle['type']}' has no effect here.")
    key = "max_iters" if "max_iters" in cycle else "max_epochs"
    value = cycle[key]
    if not isinstance(value, int) or value < 1:
        raise InputError(
            f"config '{path}': train_cfg.{key} must be a number above 0, not {value!r}."
        )


def parse_steps(text: str, count: int, where: str = "--steps") -> range:
    """Steps named by a number or a Python slice ``A:B`` (B excluded).

    Raises:
        InputError: For text that is neither, or a step that does not exist.
    """
    parts = str(text).split(":")
    try:
        numbers = [int(part) if part else None for part in parts]
        if len(numbers) == 1 and numbers[0] is not None:
            steps = range(count)[numbers[0] : numbers[0] + 1 or None]
        elif len(numbers) == 2:
            steps = range(count)[slice(*numbers)]
        else:
            raise ValueError
    except ValueError as error:
        raise InputError(f"{where} '{text}' is not a step or a slice A:B.") from error
    if not steps and len(numbers) == 1:
        raise InputError(f"{where} '{text}': the protocol has steps 0 to {count - 1}.")
    return steps


def imported_modules(config: Config) -> list[str]:
    """Names of the modules that ``custom_imports`` registers parts of a network from."""
    names = (config.get("custom_imports") or {}).get("imports") or []
    return [names] if isinstance(names, str) else list(names)


def command_line() -> str:
    """The command that reproduces this run."""
    program, *arguments = sys.argv
    # The console script names itself 'vdfd_seg COMMAND'; the command is in the arguments too.
    start = ["vdfd_seg"] if program.startswith("vdfd_seg ") else ["python", program]
    return shlex.join([*start, *arguments])


def _check_new_rows(method, path, protocol):
    given = method.get("new_rows", "random")
    if given == "random":
        return
    if protocol.problem == "classification":
        raise InputError(f"config '{path}': method.new_rows='{given}' is for segmentation.")
    # Domain-incremental no row is new.
    if _lacks_background(protocol):
        raise InputError(
            f"config '{path}': method.new_rows='{given}' takes the rows of new classes from the "
            f"background's, which protocol '{protocol.name}' does not have: set "
            f"method.new_rows='random', or name the class in protocol.background."
        )


def _lacks_background(protocol):
    return protocol.scenario != "domain" and protocol.background is None


def _say_without_background(protocol, method, config):
    """What is defined by a background, where labels hide nothing in one."""
    if protocol.problem != "segmentation" or not _lacks_background(protocol):
        return
    said = []
    if method.without_background:
        said.append(f"method {config.method.type} is {method.without_background}")
    if config.method.get("unbiased_loss") or any(_task_aware(config.model)):
        said.append("a loss that looks for old classes in the background is the plain one")
    if said:
        warn(f"protocol '{protocol.name}' has no background: {'; '.join(said)}.")


def _task_aware(value):
    """Whether each part of a model's config is a loss that is told how many classes are hidden."""
    if isinstance(value, Mapping):
        kind = MODELS.get(value["type"]) if isinstance(value.get("type"), str) else None
        yield isinstance(kind, type) and issubclass(kind, TaskAwareLoss)
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _task_aware(item)


def _follow_data_root(config, options):
    """``--cfg-options data_root=X`` reaches the datasets, as a user of it expects."""
    if "data_root" not in options:
        return
    for part in ("train_dataloader", "test_dataloader"):
        if part in config and "data_root" in config[part].get("dataset", {}):
            config[part]["dataset"]["data_root"] = options["data_root"]
    if config.get("data_preparation"):
        config["data_preparation"]["root"] = options["data_root"]


def without_keys(value: Any, *keys: str) -> Any:
    """Nested dicts and lists without some keys."""
    if isinstance(value, dict):
        return {k: without_keys(v, *keys) for k, v in value.items() if k not in keys}
    if isinstance(value, (list, tuple)):
        return [without_keys(item, *keys) for item in value]
    return value
