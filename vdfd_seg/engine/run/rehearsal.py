"""The rehearsal of a run: one batch of everything, before it trains."""

import copy
import io
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from types import SimpleNamespace

from mmengine.dist import get_world_size, is_main_process
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.failures import failing
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import unlogged
from vdfd_seg.engine.run.compilation import compiled
from vdfd_seg.engine.run.environment import forget_runner
from vdfd_seg.engine.run.evaluation import confusions_of_step
from vdfd_seg.engine.run.optimisation import optimisation
from vdfd_seg.engine.run.passes import WORKERS, without_workers
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.engine.run.testing import load_learner
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.hooks import MethodHook
from vdfd_seg.hooks.state_hook import restore, state_of
from vdfd_seg.models import ContinualLearner
from vdfd_seg.utils.checkpoint import to_plain

PARTS = ("model", "train_dataloader", "test_dataloader", "train_cfg", "optim_wrapper",
         "param_scheduler")  # fmt: skip
"""Keys whose change by ``step_overrides`` lets a step be rehearsed."""


def rehearse(
    settings: Settings,
    data: ContinualData,
    steps: Sequence[int],
    previous: dict | None = None,
    start: dict | None = None,
) -> None:
    """Find what would fail hours later: in training, saving, evaluation or the end of a task.

    Rehearsed are the first step, the first with old classes, and each whose config differs. A
    batch is trained on, the state is saved and restored in memory, the method ends the task on one
    image, and the network predicts a test batch. The networks are copies, nothing is written, and
    no hook or worker of the config runs. A later step starts from the rehearsal of the step before
    it. ``rehearsal = False`` in the config turns it off. Errors in a user's own code pass through.

    Args:
        settings: The run's settings.
        data: The protocol and its images.
        steps: Steps that will be trained, one after another.
        previous: The checkpoint of the step before the first of them.
        start: The checkpoint whose network step 0 takes instead of training.
    """
    if not settings.config.get("rehearsal", True):
        return
    kinds = {s: (s > 0, [settings.for_step(s).get(k) for k in PARTS]) for s in steps}
    new = [s for i, s in enumerate(steps) if kinds[s] not in [kinds[t] for t in steps[:i]]]
    with unlogged(), warnings.catch_warnings():
        # A warning that is given here would not be given again where it counts.
        warnings.simplefilter("ignore")
        for step in [s for s in steps if new and s <= new[-1]]:
            taken = start if step == 0 else None
            previous = _Rehearsal(settings, data, step, previous).outcome(step in new, taken)
    forget_runner()


class _Rehearsal(StepTrainer):
    """A step on few of its images, read without workers."""

    def __init__(self, settings: Settings, data: ContinualData, step: int, previous: dict | None):
        self.all, self.real = data, settings.for_step(step)
        self.of = f"step {step} ({data.protocol.tasks[step].name})"
        with failing(f"{self.of} cannot start", "train_dataloader.batch_size"):
            few = data.excerpt(self.real.train_dataloader["batch_size"])
        super().__init__(settings, few, step, WorkDir(""), previous)
        self.config = copy.deepcopy(self.real)
        for part in ("train_dataloader", "test_dataloader"):
            self.config[part] = without_workers(self.config[part])

    def outcome(self, whole: bool, taken: dict | None) -> dict:
        """The content of the step's checkpoint; with ``taken``, its weights and no training."""
        with failing(f"{self.of} cannot start", "model and method"):
            learner = self.prepare(taken)
        network, context = learner.network, self.context
        if whole and taken is None:
            self._iteration(learner)
        batches, views = context.batches, context.views
        assert views is not None
        # One image a process, unless the method asks for certain ones, and of a batch of images as
        # many views as the training draws from.
        most = (learner.method.num_views if self.step else None) or 1
        context.views = lambda count: views(min(count, most))
        context.batches = lambda limit=None, samples=None: batches(
            get_world_size() if samples is None else limit, samples
        )
        with failing(f"the end of {self.of} would fail", "model and method", network):
            carried = self.end()
        method = {"type": self.config.method.type, "state": carried}
        saved = {"state_dict": network.state_dict(), "method": method}
        if whole:
            self._evaluation(saved, network)
        return saved

    def _iteration(self, learner: ContinualLearner) -> None:
        select = learner.method.select
        weights = copy.deepcopy(learner.network.state_dict())
        what = f"training of {self.of} would fail"
        with failing(what, "optim_wrapper and param_scheduler"):
            images = len(select(self.all, self.step, self.carried))
            optimizer, schedulers = optimisation(self.config, learner.network, images)
            optimizer.initialize_count_status(learner, 0, 1)
        # What the Runner tells losses that change with the iteration.
        progress = {"iter": 0, "max_iters": 1, "epoch": 0, "max_epochs": 1}
        MessageHub.get_current_instance().update_info_dict(progress)
        with failing(what, "train_dataloader"):
            loader = self.train_loader(select(self.data, self.step, self.carried))
            if not isinstance(loader, DataLoader):
                # First with the workers that it will have.
                cfg = self.real.train_dataloader
                workers = {key: cfg[key] for key in WORKERS if key in cfg}
                workers["persistent_workers"] = cfg.get("num_workers", 0) > 0
                Runner.build_dataloader({**loader, **workers}, seed=0)
                loader = Runner.build_dataloader(without_workers(loader), seed=0)
            batch = next(iter(loader))
        keys = (
            "train_dataloader, model (loss_decode, data_preprocessor), method, optim_wrapper "
            "and compile"
        )
        hook, runner = MethodHook(), SimpleNamespace(model=learner, optim_wrapper=optimizer)
        hook.before_train(runner)
        with failing(what, keys, learner.network), compiled(learner, self.config.get("compile")):
            learner.train().train_step(batch, optimizer)
            for scheduler in schedulers:
                scheduler.step()
        hook.after_train(runner)
        with failing(f"saving {self.of} would fail", "optim_wrapper and param_scheduler"):
            state = state_of(learner, optimizer.state_dict(), schedulers)
            if is_main_process():
                state = to_plain(state, "the state")
            if get_world_size() == 1:
                restore(state, learner, optimizer, schedulers)
        # One update may be a bad one, the end of the task is about the network.
        learner.network.load_state_dict(weights)

    def _evaluation(self, saved: dict, network) -> None:
        cfg = self.real.test_dataloader
        with failing(f"evaluation of {self.of} would fail", "test_dataloader", network):
            few = copy.copy(self.all)
            samples = self.all.test_batch(self.step, max(cfg["batch_size"], get_world_size()))
            few.test_samples = lambda step: samples  # type: ignore[method-assign]
            few.test_loader(samples, cfg)
            learner = load_learner(self.settings, self.step, saved)
            with redirect_stderr(io.StringIO()):  # the bar
                confusions_of_step(learner, few, self.step, without_workers(cfg))
