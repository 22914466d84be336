"""Training one step with one Runner."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import broadcast

from vdfd_seg.datasets.data import ContinualData, subsample
from vdfd_seg.engine.input.failures import failing
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import finished_network, network_of_step
from vdfd_seg.engine.run.compilation import compiled
from vdfd_seg.engine.run.optimisation import iterations_of, optimisation, total_batch
from vdfd_seg.engine.run.passes import preprocessed, without_workers
from vdfd_seg.engine.run.peak_memory import PeakMemory
from vdfd_seg.engine.run.step_runner import StepRunner
from vdfd_seg.engine.state.checkpoints import fitting, origin
from vdfd_seg.engine.state.recovery import last_state
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.hooks import IterationSeedHook, MethodHook, StepStateHook
from vdfd_seg.methods import TaskContext
from vdfd_seg.methods.common.pretuning import pretune
from vdfd_seg.models import ContinualLearner
from vdfd_seg.models.fusion import ewf_share, fuse
from vdfd_seg.utils.checkpoint import to_plain
from vdfd_seg.utils.seeding import derived_seed
from vdfd_seg.utils.signals import training


class StepTrainer:
    """Builds and trains one step.

    Args:
        settings: The run's settings.
        data: The protocol and its images.
        step: The step.
        run: The run's files; only training and its end write.
        previous: The checkpoint of the step before; None at the first.

    Attributes:
        learner: The network and its method, once the step is prepared.
        context: What the method was given.
        costs: What the checkpoint says of the training, zero and None where nothing was trained;
            for memory see :class:`~vdfd_seg.engine.run.peak_memory.PeakMemory`.
    """

    learner: ContinualLearner
    context: TaskContext

    def __init__(
        self,
        settings: Settings,
        data: ContinualData,
        step: int,
        run: WorkDir,
        previous: dict | None = None,
    ):
        self.settings, self.data, self.step, self.run = settings, data, step, run
        self.config = settings.for_step(step)
        self.previous = previous
        self.carried = previous["method"]["state"] if previous else {}
        self.seed = derived_seed(settings.seed, "step", step)
        self.costs: dict[str, Any] = {
            "train_images": 0, "seconds": 0.0, "seconds_per_iter": 0.0,
            "peak_memory_bytes": None, "peak_memory_of": None,
        }  # fmt: skip
        # What is logged before the step's logger is there.
        self._pending_log: list[str] = []

    def prepare(self, start: dict | None = None) -> ContinualLearner:
        """The learner of this step, ready to train.

        ``start`` is a checkpoint (``--init-from``) whose weights replace the initial ones.
        """
        protocol = self.data.protocol
        method = self.settings.method().to(get_device())
        rows = method.new_rows if protocol.hides else "random"
        old, model = self.previous["state_dict"] if self.previous else None, self.config.model
        adapter = network_of_step(self.settings, self.step, old, rows, start is None)
        if start is not None:
            with fitting(start, self.settings, self.step):
                adapter.load(start["state_dict"], protocol.num_classes(self.step))
        network, own = adapter.network, self.data.train_samples(self.step)
        self.learner = ContinualLearner(network, method, adapter)
        sizes = protocol.task_sizes(max(0, self.step - 1))
        select = partial(method.select, self.data, self.step, self.carried)
        train, test = self.config.train_dataloader, self.config.test_dataloader
        self.context = context = TaskContext(
            protocol=protocol,
            step=self.step,
            adapter=adapter,
            carried=self.carried,
            batches=partial(_batches, network, self.data, own, test),
            old_network=partial(finished_network, model, sizes, old) if old else None,
            device=get_device(),
            samples=own,
            seed=self.seed,
            views=partial(_views, network, self.data, select, train, self.seed),
            log=self._pending_log.append,
        )
        needs = method.requires
        if method.unbiased_loss and protocol.hides:
            context.adapter.use_unbiased_loss()
        adapter.begin(method.num_hidden(context), "old_images" in needs, "old_heads" in needs)
        begun = time.perf_counter()
        if rows == "pretuned" and self.step:
            pretune(context)
        torch.manual_seed(derived_seed(self.seed, "method"))
        method.before_task(context)
        if start is None:
            # A part of the training: outputs cached here stand for a teacher's in each iteration.
            self.costs["seconds"] = time.perf_counter() - begun
        return self.learner

    def end(self) -> dict:
        """Fuse the weights if the method asks for it; its state after the task, as plain data."""
        method, context = self.learner.method, self.context
        if method.fuse and self.previous:
            new = context.protocol.num_classes(self.step) - context.num_old
            share = ewf_share(context.num_old, new) if method.fuse is True else method.fuse
            fuse(self.learner.network, self.previous["state_dict"], share)
        # What was drawn before differs where the training was resumed after its last iteration.
        torch.manual_seed(derived_seed(self.seed, "after task"))
        return to_plain(method.after_task(context), "the method's carried state")

    def train(self) -> None:
        """Train, continuing from the state of an unfinished training of the step."""
        peak = PeakMemory()
        learner = self.prepare()
        resume, tag = self.run.resume(self.step), state_tag(self.settings, self.data, self.step)
        state = last_state(resume)
        samples = learner.method.select(self.data, self.step, self.carried)
        trains = self.step == 0 or not learner.method.closed_form
        iterations = iterations_of(self.config, len(samples)) if trains else 0
        start, earlier = (state["iteration"], state["seconds"]) if state else (0, 0.0)
        earlier += self.costs["seconds"]
        what = f"training of step {self.step} cannot be set up from the config"
        with failing(what, "default_hooks, custom_hooks, visualizer and log_processor"):
            hooks = [
                IterationSeedHook(self.seed),
                MethodHook(),
                StepStateHook(resume, self.config.get("save_interval", 500), tag, state, earlier),
            ]
            loader = self.train_loader(samples, start * total_batch(self.config))
            folder, span = self.run.step(self.step), (start, iterations)
            runner = StepRunner(self.settings, self.step, learner, folder, loader, span, hooks)
            # What Runner.train would build; done here to tell a wrong config from a defect.
            assert runner.train_loop is not None
            runner.optim_wrapper, runner.param_schedulers = optimisation(
                self.config, learner.network, len(samples)
            )
        self.context.log = runner.logger.info
        for line in self._pending_log:
            self.context.log(line)
        begun = time.perf_counter()
        with training(), compiled(learner, self.config.get("compile")):
            runner.train()
        # Plain batch norm counts in each process for itself: all continue with the first's.
        for buffer in learner.network.buffers():
            broadcast(buffer)
        seconds = time.perf_counter() - begun
        rate = seconds / (iterations - start) if iterations > start else 0.0
        self.costs = {
            "train_images": len(samples), "seconds": earlier + seconds, "seconds_per_iter": rate,
            "peak_memory_bytes": peak.read(), "peak_memory_of": peak.of,
        }  # fmt: skip

    def train_loader(self, samples: list, start: int = 0) -> Any:
        """The loader, or its config, of a step that trains on samples or on features of them.

        Args:
            samples: What the method selected.
            start: Images already consumed, by all processes together.
        """
        method = self.learner.method
        cfg = self.config.train_dataloader
        views = method.num_views if self.step else None
        loader = self.data.train_loader(samples, cfg, self.seed, start, views)
        if method.training_features is not None:
            self.learner.train_on_features()
            # In memory already: workers would only copy it.
            return {**without_workers(loader), "dataset": method.training_features}
        return loader


def state_tag(settings: Settings, data: ContinualData, step: int) -> dict:
    """What a half-trained step must have in common with the run that continues with it."""
    return {
        **origin(settings, data, step),
        # Another number of processes continues where the same images are next.
        "train_dataloader.batch_size of all processes": total_batch(settings.for_step(step)),
    }


# Functions, since a method of the trainer in the trainer's own context would keep both from being
# freed until garbage is collected.
def _batches(network, data, own: list, cfg, limit: int | None = None, samples=None) -> Iterator:
    """One pass over training images, by default the step's own, with the test pipeline."""
    samples = subsample(own if samples is None else samples, limit)
    return preprocessed(network, data.pass_over("train", samples, cfg))


def _views(network, data, select: Callable[[], list], cfg, seed: int, count: int) -> Iterator:
    """One pass over augmented views of the images that the method trains on."""
    return preprocessed(network, data.views(select(), cfg, seed, count), training=True)
