"""MMEngine's Runner, once a step in one process."""

import logging

from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.utils.dl_utils import collect_env


class TerminalFilter(logging.Filter):
    """Hides a Runner's long messages on the terminal; the log file of each step has them all.

    The learning rate of every parameter, the order of the hooks and the config take hundreds of
    lines a step. The environment is shown once a process.
    """

    NEVER = (
        "Config:\n",
        "Distributed training is not used",
        "Exp name: ",
        "Hooks will be executed in the following order",
        "paramwise_options -- ",
    )
    ONCE = "\n" + "-" * 60 + "\nSystem environment:"

    def __init__(self):
        super().__init__()
        self.said = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal shows a record."""
        text = str(record.msg)
        if not text.startswith(self.ONCE):
            return not text.startswith(self.NEVER)
        first, self.said = not self.said, True
        return first


_terminal_filter = TerminalFilter()


def step_hooks(given: dict) -> dict:
    """MMEngine's default hooks and ours, as the config's ``default_hooks`` changes them."""
    info = {"type": "vdfd_seg.DeferredInfoHook", **(given.get("runtime_info") or {})}
    hooks = {**given, "checkpoint": None, "sampler_seed": None, "runtime_info": info}
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


class StepRunner(Runner):
    """A Runner that logs the run's config and seed, and keeps the terminal short.

    Args:
        config_text: The config of the run.
        run_seed: Its seed; the Runner's own is derived from it and the step.
        **kwargs: Those of ``Runner``.
    """

    def __init__(self, *, config_text: str, run_seed: int, **kwargs):
        self._config_text = config_text
        self._run_seed = run_seed
        super().__init__(**kwargs)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, with a filter on what writes to the terminal."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_terminal_filter)
        return logger

    def dump_config(self) -> None:
        """Write nothing: the work dir holds the config of the run."""

    def _log_env(self, env_cfg: dict) -> None:
        # MMEngine's shows the derived seed, and of the config what the Runner was given of it.
        system = collect_env()
        del system["numpy_random_seed"]
        runtime = {
            **env_cfg,
            "seed": self._run_seed,
            "Distributed launcher": self.launcher,
            "Processes": self.world_size,
        }
        blocks = [
            f"\n{name} environment:" + "".join(f"\n    {key}: {value}" for key, value in of.items())
            for name, of in (("System", system), ("Runtime", runtime))
        ]
        line = "-" * 60
        self.logger.info("\n" + line + "\n".join(blocks) + "\n" + line + "\n")
        self.logger.info(f"Config:\n{self._config_text}")
