"""MMEngine's Runner, once a step in one process."""

import copy
import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.utils.dl_utils import collect_env

from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.run.ahead import Ahead
from vdfd_seg.models import ContinualLearner, learner_of
from vdfd_seg.utils.paths import step_name
from vdfd_seg.utils.seeding import derived_seed

HIDDEN = (
    "System environment:",
    "Config:\n",
    "Distributed training is not used",
    "Exp name: ",
    "Hooks will be executed in the following order",
    "paramwise_options -- ",
)
"""How messages start that take hundreds of lines a step: of the Runner, its hooks and the learning
rate of every parameter. The terminal does not show them; the log file of each step has them all."""
UNTRUE = "Skip advancing dataloader"
"""How MMEngine's warning starts that a resumed step may draw other images; here it does not."""


class ResumableLoop(IterBasedTrainLoop):
    """MMEngine's iteration loop, which can start later; on a GPU the next batch is fetched ahead.

    Args:
        start: Iterations already done.
        **kwargs: Those of ``IterBasedTrainLoop``.
    """

    dataloader_iterator: Any

    def __init__(self, start: int = 0, **kwargs):
        # The sampler starts after the images already drawn; nothing is left to skip.
        super().__init__(fast_forward_on_resume=True, **kwargs)
        # As MMEngine's own resume sets it: there is no public way.
        self._iter = start
        device = get_device()
        if device == "cuda":
            fetch = learner_of(self.runner).method.fetch
            count = self.max_iters - start
            self.dataloader_iterator = Ahead(self.dataloader_iterator, count, device, fetch)

    def run(self) -> Any:
        """Train; then the loader's workers end.

        Left to the garbage collector, which finds their queues first, each would be waited for
        in vain for five seconds.
        """
        try:
            return super().run()
        finally:
            del self.dataloader, self.dataloader_iterator


class StepRunner(Runner):
    """A Runner for one step, that logs the run's config and seed, and keeps the terminal short.

    Args:
        settings: The run's; the Runner's own seed is derived from theirs and the step.
        step: The step.
        learner: What trains.
        folder: The step's.
        loader: The training images, or their loader's config.
        span: The iteration it starts at, and that before which it ends.
        hooks: Of the step, next to the config's.
    """

    def __init__(
        self,
        settings: Settings,
        step: int,
        learner: ContinualLearner,
        folder: Path,
        loader: Any,
        span: tuple[int, int],
        hooks: Sequence[Hook],
    ):
        self._settings = settings
        # MMEngine takes out of a hook's config what it has read.
        config = copy.deepcopy(settings.for_step(step))
        name = f"{settings.name}_{step_name(step)}"
        visualizer = dict(config.get("visualizer") or {"type": "Visualizer"})
        super().__init__(
            model=learner,
            work_dir=str(folder),
            train_dataloader=loader,
            train_cfg={"type": ResumableLoop, "start": span[0], "max_iters": span[1]},
            optim_wrapper=dict(config.optim_wrapper),
            default_hooks=_default_hooks(config.get("default_hooks") or {}),
            custom_hooks=[*config.get("custom_hooks", []), *hooks],
            # The group has been started; whose launcher it was makes no difference from here on.
            launcher="pytorch" if is_distributed() else "none",
            env_cfg=config.get("env_cfg", {}),
            log_processor={"by_epoch": False, **config.get("log_processor", {})},
            log_level=config.get("log_level", "INFO"),
            visualizer={**visualizer, "name": f"{name}_{id(learner)}"},
            default_scope="mmseg",
            randomness={"seed": derived_seed(settings.seed, "step", step)},
            experiment_name=name,
            cfg=Config({"model_wrapper_cfg": _model_wrapper(config.get("model_wrapper_cfg"))}),
        )

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, without :data:`UNTRUE`, and on the terminal without :data:`HIDDEN`."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(lambda record: not str(record.msg).startswith(UNTRUE))
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(lambda record: not str(record.msg).startswith(HIDDEN))
        return logger

    def dump_config(self) -> None:
        """Write nothing: the work dir holds the config of the run."""

    def _log_env(self, env_cfg: dict) -> None:
        # MMEngine's shows the derived seed, and of the config what the Runner was given of it.
        run = {"seed": self._settings.seed, "Processes": self.world_size}
        found = {**_environment(), **env_cfg, **run}
        del found["numpy_random_seed"]
        lines = (f"\n    {key}: {value}" for key, value in found.items())
        self.logger.info(f"System environment:{''.join(lines)}")
        self.logger.info(f"Config:\n{self._settings.text}")


@cache
def _environment() -> dict:
    """MMEngine's description of the machine; once a process, since it starts the C compiler."""
    return collect_env()


def _default_hooks(given: dict) -> dict:
    """MMEngine's default hooks and ours, as the config's ``default_hooks`` changes them."""
    info = {"type": "vdfd_seg.DeferredInfoHook", **(given.get("runtime_info") or {})}
    hooks = {**given, "checkpoint": None, "sampler_seed": None, "runtime_info": info}
    health = hooks.pop("loss_health", {})
    if health is not None:
        hooks["loss_health"] = {"type": "vdfd_seg.LossHealthHook", **health}
    return hooks


def _model_wrapper(cfg: dict | None) -> dict | None:
    """The config's ``model_wrapper_cfg``; without GPUs it says so, or MMEngine would give some."""
    if get_device() != "cpu":
        return cfg
    default = {"type": "MMDistributedDataParallel", "broadcast_buffers": False}
    return {**default, **(cfg or {}), "device_ids": None}
