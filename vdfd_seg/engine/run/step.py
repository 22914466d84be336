"""Training one step with one Runner."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import broadcast
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn

from vdfd_seg.datasets.data import ContinualData, subsample
from vdfd_seg.engine.input.failures import failing
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import finished_network, network_of_step
from vdfd_seg.engine.run.ahead import Ahead
from vdfd_seg.engine.run.compilation import compiled
from vdfd_seg.engine.run.optimisation import iterations_of, optimisation, total_batch
from vdfd_seg.engine.run.passes import preprocessed, without_workers
from vdfd_seg.engine.run.peak_memory import PeakMemory
from vdfd_seg.engine.run.step_runner import StepRunner, model_wrapper, step_hooks
from vdfd_seg.engine.state.checkpoints import fitting
from vdfd_seg.engine.state.recovery import last_state
from vdfd_seg.hooks.learner import learner_of
from vdfd_seg.methods import TaskContext
from vdfd_seg.methods.common.pretuning import pretune
from vdfd_seg.models import ContinualLearner, SegmentationAdapter
from vdfd_seg.models.fusion import ewf_share, fuse
from vdfd_seg.utils.checkpoint import to_plain
from vdfd_seg.utils.paths import step_name
from vdfd_seg.utils.seeding import derived_seed
from vdfd_seg.utils.signals import training


class ResumableLoop(IterBasedTrainLoop):
    """MMEngine's iteration loop, which can start later; on a GPU the next batch is fetched ahead.

    Args:
        start: Iterations already done.
        **kwargs: Those of ``IterBasedTrainLoop``.
    """

    dataloader_iterator: Any

    def __init__(self, start: int = 0, **kwargs):
        # The sampler begins behind the images already drawn; nothing is left to skip.
        super().__init__(fast_forward_on_resume=True, **kwargs)
        self._iter = start
        device = get_device()
        if device == "cuda":
            fetch = learner_of(self.runner).method.fetch
            count = self.max_iters - start
            self.dataloader_iterator = Ahead(self.dataloader_iterator, count, device, fetch)


@dataclass
class TrainedStep:
    """What training a step leaves: the learner, the method's context and costs.

    ``peak_memory_bytes`` and ``peak_memory_of``: see
    :class:`~vdfd_seg.engine.run.peak_memory.PeakMemory`; None where nothing was trained.
    """

    learner: ContinualLearner
    context: TaskContext
    train_images: int
    seconds: float = 0.0
    seconds_per_iter: float = 0.0
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
        data: ContinualData,
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
        self.carried = previous["method"]["state"] if previous else {}
        self.folder = folder
        self.launcher = launcher
        self.seed = derived_seed(settings.seed, "step", step)
        # What is said before the step's logger is there.
        self._said: list[str] = []

    def prepare(self, start: dict | None = None) -> tuple[ContinualLearner, TaskContext]:
        """The learner of this step, ready to train.

        Args:
            start: A checkpoint whose weights replace the initial ones (``--init-from``).
        """
        protocol = self.data.protocol
        method = self.settings.method().to(get_device())
        rows = method.new_rows if protocol.hides else "random"
        old, model = self.previous["state_dict"] if self.previous else None, self.config.model
        seed = self.settings.seed
        adapter = network_of_step(model, protocol, self.step, old, rows, seed, start is None)
        if method.unbiased_loss and protocol.hides and isinstance(adapter, SegmentationAdapter):
            adapter.use_unbiased_loss()
        if start is not None:
            with fitting(start, self.settings, self.step):
                adapter.load(start["state_dict"], protocol.num_classes(self.step))
        context = TaskContext(
            protocol=protocol,
            step=self.step,
            adapter=adapter,
            carried=self.carried,
            batches=partial(self._batches, adapter.network),
            old_network=partial(self._old_network, old) if old else None,
            device=get_device(),
            samples=self.data.train_samples(self.step),
            seed=self.seed,
            views=partial(self._views, adapter.network, method),
            log=self._said.append,
        )
        needs = method.requires
        adapter.begin(method.num_hidden(context), "old_images" in needs, "old_heads" in needs)
        if rows == "pretuned" and self.step:
            pretune(context)
        torch.manual_seed(derived_seed(self.seed, "method"))
        method.before_task(context)
        return ContinualLearner(adapter.network, method, adapter), context

    def end(self, learner: ContinualLearner, context: TaskContext) -> dict:
        """Fuse the weights if the method asks for it, and let it remember the task.

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
        """Train, continuing from ``resume_path`` where it exists.

        Args:
            resume_path: State of the step while it trains.
            tag: The settings that new states belong to, saved with them.
        """
        peak = PeakMemory()
        learner, context = self.prepare()
        state = last_state(resume_path)
        samples = learner.method.select(self.data, self.step, self.carried)
        trains = self.step == 0 or not learner.method.closed_form
        iterations = iterations_of(self.config, len(samples)) if trains else 0
        start, earlier = (state["iteration"], state["seconds"]) if state else (0, 0.0)
        what = f"training of step {self.step} cannot be set up from the config"
        with failing(what, "default_hooks, custom_hooks, visualizer and log_processor"):
            runner = self._runner(learner, samples, iterations, start, resume_path, tag, state)
            # What Runner.train would build; done here to tell a wrong config from a defect.
            assert runner.train_loop is not None
            runner.optim_wrapper, runner.param_schedulers = optimisation(
                self.config, learner.network, len(samples)
            )
        context.log = runner.logger.info
        for line in self._said:
            context.log(line)
        begun = time.perf_counter()
        with training(), compiled(learner, self.config.get("compile")):
            runner.train()
        # Plain batch norm counts in each process for itself: all continue with the first's.
        for buffer in learner.network.buffers():
            broadcast(buffer)
        seconds = time.perf_counter() - begun
        rate = seconds / (iterations - start) if iterations > start else 0.0
        costs = (earlier + seconds, rate, peak.read(), peak.of)
        return TrainedStep(learner, context, len(samples), *costs)

    def train_loader(self, learner: ContinualLearner, samples: list, start: int) -> Any:
        """The loader, or its config, of a step that trains on samples or on features of them.

        Args:
            learner: Of :meth:`prepare`; takes features if its method has cached them.
            samples: What the method selected.
            start: Images already consumed, by all processes together.
        """
        method = learner.method
        cfg = self.config.train_dataloader
        views = method.num_views if self.step else None
        loader = self.data.train_loader(samples, cfg, self.seed, start, views)
        if method.training_features is not None:
            learner.train_on_features()
            # In memory already: workers would only copy it.
            return {**without_workers(loader), "dataset": method.training_features}
        return loader

    def _runner(self, learner, samples, iterations, start, resume_path, tag, state) -> Runner:
        # MMEngine takes out of a hook's config what it has read.
        config = copy.deepcopy(self.config)
        loader = self.train_loader(learner, samples, start * total_batch(config))
        name = f"{self.settings.name}_{step_name(self.step)}"
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
            default_hooks=step_hooks(config.get("default_hooks") or {}),
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

    def _batches(self, network, limit: int | None = None, samples: list | None = None) -> Iterator:
        """One pass over the step's training images with the test pipeline."""
        samples = self.data.train_samples(self.step) if samples is None else samples
        config = self.config.test_dataloader
        found = self.data.pass_over("train", subsample(samples, limit), config)
        return preprocessed(network, found)

    def _views(self, network, method, count: int) -> Iterator:
        """One pass over augmented views of the images that the method trains on."""
        samples = method.select(self.data, self.step, self.carried)
        config = self.config.train_dataloader
        found = self.data.views(samples, config, self.seed, count)
        return preprocessed(network, found, training=True)

    def _old_network(self, state: dict) -> nn.Module:
        sizes = self.data.protocol.task_sizes(self.step - 1)
        return finished_network(self.config.model, sizes, state)
