"""Training one step with one Runner."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast, get_dist_info, is_distributed
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import OPTIMIZERS
from mmengine.runner import IterBasedTrainLoop, Runner

from vdfd_seg.engine.input.data import Data
from vdfd_seg.engine.input.differences import told
from vdfd_seg.engine.input.failures import failing
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.input.unsupported import divides_state
from vdfd_seg.engine.networks import finished_network, network_of_step
from vdfd_seg.engine.run.peak_memory import PeakMemory
from vdfd_seg.engine.run.runner_config import build_schedulers, model_wrapper, step_hooks
from vdfd_seg.engine.run.step_runner import StepRunner
from vdfd_seg.engine.state.recovery import last_state
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.methods import TaskContext
from vdfd_seg.models import ContinualLearner, SegmentationAdapter
from vdfd_seg.models.fusion import ewf_share, fuse
from vdfd_seg.utils.checkpoint import to_plain
from vdfd_seg.utils.paths import step_name
from vdfd_seg.utils.seeding import derived_seed
from vdfd_seg.utils.signals import training


class ResumableLoop(IterBasedTrainLoop):
    """MMEngine's iteration loop, begun at an iteration.

    Args:
        start: Iterations already done.
        **kwargs: Those of ``IterBasedTrainLoop``.
    """

    def __init__(self, start: int = 0, **kwargs):
        # The sampler begins behind the images already drawn; nothing is left to skip.
        super().__init__(fast_forward_on_resume=True, **kwargs)
        self._iter = start


@dataclass
class TrainedStep:
    """What training a step leaves: the learner, the method's context and costs.

    ``peak_memory_bytes`` and ``peak_memory_of``: see
    :class:`~vdfd_seg.engine.run.peak_memory.PeakMemory`; None where nothing was trained.
    """

    learner: ContinualLearner
    context: TaskContext
    seconds: float
    seconds_per_iter: float
    train_images: int
    peak_memory_bytes: int | None = None
    peak_memory_of: str | None = None


class StepTrainer:
    """Builds and trains one step.

    Args:
        settings: The run's settings.
        data: The protocol and its images.
        step: The step.
        previous: The checkpoint of the step before; None at the first.
        folder: The step's folder.
        launcher: ``"none"``, ``"pytorch"`` or ``"slurm"``.
    """

    def __init__(
        self,
        settings: Settings,
        data: Data,
        step: int,
        previous: dict | None,
        folder: Path,
        launcher: str = "none",
    ):
        self.settings = settings
        self.config = settings.for_step(step)
        self.data = data
        self.step = step
        self.previous = previous
        self.folder = folder
        self.launcher = launcher
        self.seed = derived_seed(settings.seed, "step", step)
        # What is said before the step's logger is there.
        self._said: list[str] = []

    def prepare(self, state: dict | None = None) -> tuple[ContinualLearner, TaskContext]:
        """The learner of this step, ready to train.

        Args:
            state: Weights to set instead of those the step begins with
                (``--init-from``).
        """
        protocol = self.data.protocol
        method = self.settings.method().to(get_device())
        adapter = network_of_step(
            self.config.model,
            protocol,
            self.step,
            self.previous["state_dict"] if self.previous else None,
            method.new_rows if protocol.hides else "random",
            self.settings.seed,
        )
        if method.unbiased_loss and protocol.hides and isinstance(adapter, SegmentationAdapter):
            adapter.use_unbiased_loss()
        if state is not None:
            adapter.load(state, protocol.num_classes(self.step))
        context = TaskContext(
            protocol=protocol,
            step=self.step,
            adapter=adapter,
            carried=self.previous["method"]["state"] if self.previous else {},
            batches=self._batches(adapter),
            old_network=self._old_network if self.previous else None,
            device=get_device(),
            samples=self.data.train_samples(self.step),
            seed=self.seed,
            views=self._views(adapter, method),
            log=self._said.append,
        )
        needs = method.requires
        adapter.begin(method.num_hidden(context), "old_images" in needs, "old_heads" in needs)
        torch.manual_seed(derived_seed(self.seed, "method"))
        method.before_task(context)
        return ContinualLearner(adapter.network, method, adapter), context

    def end(self, learner: ContinualLearner, context: TaskContext) -> dict:
        """Fuse the weights where the method wants it, and let it remember the task.

        Returns:
            What the method carries, as plain data.
        """
        method = learner.method
        if method.fuse and self.previous:
            new = context.protocol.num_classes(self.step) - context.num_old
            share = ewf_share(context.num_old, new) if method.fuse is True else method.fuse
            fuse(learner.network, self.previous["state_dict"], share)
        return to_plain(method.after_task(context), "the method's carried state")

    def train(self, resume_path: Path, tag: dict) -> TrainedStep:
        """Train, going on from ``resume_path`` where it exists.

        Args:
            resume_path: State of the step while it trains.
            tag: What that state must belong to.

        Raises:
            InputError: When the state belongs to another run.
        """
        peak = PeakMemory()
        learner, context = self.prepare()
        state = last_state(resume_path)
        if state is not None:
            other = told(state["tag"], tag)
            if other:
                raise InputError(
                    f"'{resume_path}' belongs to another run: {other}. Give the config as it "
                    f"was, another --work-dir, or --overwrite."
                )
        samples = learner.method.select(self.data, self.step, context.carried)
        iterations = self._iterations(len(samples))
        start = state["iteration"] if state else 0
        what = f"training of step {self.step} cannot be set up from the config"
        with failing(what, "default_hooks, custom_hooks, visualizer and log_processor"):
            runner = self._runner(learner, samples, iterations, start, resume_path, tag, state)
            # What Runner.train would build; done here to tell a wrong config from a defect.
            assert runner.train_loop is not None
            runner.optim_wrapper, runner.param_schedulers = self.optimisation(
                learner.network, len(samples)
            )
        context.log = runner.logger.info
        for line in self._said:
            context.log(line)
        begun = time.perf_counter()
        with training():
            runner.train()
        # Plain batch norm counts in each process for itself: all go on with what the first saves.
        for buffer in learner.network.buffers():
            broadcast(buffer)
        seconds = time.perf_counter() - begun
        done = max(iterations - start, 0)
        earlier = state["seconds"] if state else 0.0
        return TrainedStep(
            learner,
            context,
            earlier + seconds,
            seconds / done if done else 0.0,
            len(samples),
            peak.read(),
            peak.of,
        )

    def _iterations(self, images: int) -> int:
        cycle = self.config.train_cfg
        if "max_iters" in cycle:
            return int(cycle["max_iters"])
        batch = self.config.train_dataloader["batch_size"] * get_dist_info()[1]
        return int(cycle["max_epochs"]) * math.ceil(images / batch)

    def optimisation(self, network, images: int) -> tuple[OptimWrapper, list]:
        """Optimiser and schedulers of a step that trains on so many images."""
        batch = self.config.train_dataloader["batch_size"] * get_dist_info()[1]
        given = self.config.optim_wrapper.get("optimizer") or {}
        kind = given.get("type")
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise unknown_name("optimizer", kind, OPTIMIZERS.module_dict)
        if divides_state(given) and not is_distributed():
            raise InputError(
                f"{kind} divides the optimiser's state among the processes of a group, and there "
                f"is none: start with 'bash tools/dist_train.sh CONFIG PROCESSES' (1 will do), or "
                f"take optimizer.type='{given['optimizer_type']}'."
            )
        # The network's parameters alone: the method trains its own.
        optimizer = build_optim_wrapper(network, dict(self.config.optim_wrapper))
        schedulers = build_schedulers(
            self.config.get("param_scheduler"),
            optimizer,
            math.ceil(images / batch),
            self._iterations(images),
        )
        return optimizer, schedulers

    def _runner(self, learner, samples, iterations, start, resume_path, tag, state) -> Runner:
        # MMEngine takes out of a hook's config what it has read.
        config = copy.deepcopy(self.config)
        consumed = start * config.train_dataloader["batch_size"] * get_dist_info()[1]
        loader = self.data.train_loader(
            samples, config.train_dataloader, self.seed, consumed, learner.method.num_views
        )
        name = f"{self.settings.name}_{step_name(self.step)}"
        hooks = step_hooks(config.get("default_hooks") or {})
        visualizer = dict(config.get("visualizer") or {"type": "Visualizer"})
        visualizer["name"] = f"{name}_{id(learner)}"
        return StepRunner(
            config_text=self.settings.text,
            run_seed=self.settings.seed,
            model=learner,
            work_dir=str(self.folder),
            train_dataloader=loader,
            train_cfg={"type": ResumableLoop, "max_iters": iterations, "start": start},
            optim_wrapper=dict(config.optim_wrapper),
            default_hooks=hooks,
            custom_hooks=[
                *config.get("custom_hooks", []),
                {"type": "vdfd_seg.IterationSeedHook", "seed": self.seed},
                {"type": "vdfd_seg.MethodHook"},
                {
                    "type": "vdfd_seg.StepStateHook",
                    "path": str(resume_path),
                    "interval": config.get("save_interval", 500),
                    "tag": tag,
                    "state": state,
                },
            ],
            launcher=self.launcher,
            env_cfg=config.get("env_cfg", {}),
            log_processor={"by_epoch": False, **config.get("log_processor", {})},
            log_level=config.get("log_level", "INFO"),
            visualizer=visualizer,
            default_scope="mmseg",
            randomness={"seed": self.seed},
            experiment_name=name,
            cfg=Config({"model_wrapper_cfg": model_wrapper(config.get("model_wrapper_cfg"))}),
        )

    def _batches(self, adapter) -> Callable[..., Iterator]:
        """One pass over the step's training images with the test pipeline."""

        def batches(limit: int | None = None, samples: list | None = None):
            samples = self.data.train_samples(self.step) if samples is None else samples
            samples = spread(samples, limit)
            for batch in self.data.pass_over("train", samples, self.config.test_dataloader):
                batch = adapter.network.data_preprocessor(batch, training=False)
                yield batch["inputs"], batch["data_samples"]

        return batches

    def _views(self, adapter, method) -> Callable[[int], Iterator]:
        """One pass over augmented views of the images that the method trains on."""
        carried = self.previous["method"]["state"] if self.previous else {}

        def views(count: int):
            samples = method.select(self.data, self.step, carried)
            for batch in self.data.views(samples, self.config.train_dataloader, self.seed, count):
                batch = adapter.network.data_preprocessor(batch, training=True)
                yield batch["inputs"], batch["data_samples"]

        return views

    def _old_network(self):
        return finished_network(
            self.config.model, self.data.protocol.task_sizes(self.step - 1),
            self.previous["state_dict"],
        )  # fmt: skip


def spread(samples: list, limit: int | None) -> list:
    """At most ``limit`` of the samples, spread evenly over them."""
    if limit is None or limit >= len(samples):
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]
