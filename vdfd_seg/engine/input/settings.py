"""A run's settings: a checked config, the configs of its steps, its protocol and its method."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mmengine.config import Config

from vdfd_seg.engine.input.config_file import read_config
from vdfd_seg.engine.input.overrides import step_configs
from vdfd_seg.engine.input.validation import check_keys, check_method, check_step, scales_rate
from vdfd_seg.errors import InputError
from vdfd_seg.methods import Method, build_method
from vdfd_seg.protocols import Protocol, build_protocol
from vdfd_seg.utils.checkpoint import to_plain
from vdfd_seg.utils.nested import without_keys
from vdfd_seg.utils.paths import resolve_run, run_name

_TRAINS = ("model", "method", "train_cfg", "optim_wrapper", "param_scheduler")


@dataclass
class Settings:
    """A config, with what the command line changed, and its protocol. Nothing changes them.

    Attributes:
        config: The MMEngine config.
        files: Its file, or those of a benchmark and of a method.
        protocol: The protocol it describes.
    """

    config: Config
    files: tuple[Path, ...]
    protocol: Protocol

    @property
    def name(self) -> str:
        """The name of the run, and of its config's file without suffix."""
        return run_name(*self.files)

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.config.seed

    @property
    def method_name(self) -> str:
        """The method's name in tables and reports."""
        return self.config.get("method_name") or self.config.method.type

    @cached_property
    def text(self) -> str:
        """The whole config, with what the command line changed, as a config file.

        A value that no config can hold as text, such as a function, is written as Python shows it.
        """
        try:
            return self.config.pretty_text
        except SyntaxError:
            return "".join(f"{key} = {value!r}\n" for key, value in self.config.to_dict().items())

    @cached_property
    def steps(self) -> list[Config]:
        """The config of each step: ``step_overrides`` merged in. Not to be changed."""
        return step_configs(self.config, len(self.protocol.tasks))

    def for_step(self, step: int) -> Config:
        """The config of one step."""
        return self.steps[step]

    def trained_with(self, step: int) -> dict:
        """The part of the config that decides a step's weights, as plain data.

        The files of initial weights are left out: a step that has started no longer needs them.
        """
        config = self.for_step(step).to_dict()
        parts = {key: config.get(key) for key in _TRAINS}
        parts["model"] = without_keys(parts["model"], "init_cfg", "pretrained")
        if scales_rate(config):
            parts["auto_scale_lr"] = config["auto_scale_lr"]
        return to_plain(parts, "config")

    def method(self) -> Method:
        """A new method as the config describes it."""
        return build_method(self.config.method)

    def work_dir(self, given: str | None = None) -> Path:
        """The work dir: the given one, else the config's ``work_dir``, else work_dirs/NAME."""
        return Path(given or self.config.get("work_dir") or f"work_dirs/{self.name}")


def load_run(
    config: str | Path,
    method: str | Path | None = None,
    options: Mapping | None = None,
    seed: int | None = None,
    amp: bool = False,
) -> Settings:
    """Read the config of a run, and check everything that needs no data.

    Args:
        config: A config or a benchmark, as in :func:`vdfd_seg.utils.paths.resolve_run`.
        method: The method of a benchmark, see there.
        options: ``--cfg-options``: dotted keys and values.
        seed: Overrides the config's ``seed`` (default 0).
        amp: Train with automatic mixed precision.
    """
    path, fragment = resolve_run(config, method)
    found = read_config(path, options, fragment)
    try:
        check_keys(found)
        found.seed = found.get("seed", 0) if seed is None else seed
        if amp and found.optim_wrapper.get("type") == "OptimWrapper":
            found.optim_wrapper.type = "vdfd_seg.DeviceAmpOptimWrapper"
        files = (path,) if fragment is None else (path, fragment)
        settings = Settings(found, files, build_protocol(found.protocol))
        for step in settings.steps:
            check_step(step, settings.protocol)
        check_method(settings.method(), found, settings.protocol)
    except InputError as error:
        raise InputError(f"config '{path}': {error}") from error
    return settings
