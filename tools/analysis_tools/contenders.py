"""Methods in their second step, which take turns and are timed."""

import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace

import torch
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner

from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.run.passes import without_workers
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.hooks import MethodHook
from vdfd_seg.models import ContinualLearner
from vdfd_seg.utils.checkpoint import to_plain


@dataclass
class Contender:
    """One method in its second step, ready to be timed."""

    name: str
    learner: ContinualLearner
    wrapper: OptimWrapper
    batches: cycle

    def iterate(self, count: int) -> float:
        """Seconds an iteration takes, over ``count``."""
        _wait()
        begun = time.perf_counter()
        for batch in islice(self.batches, count):
            self.learner.train_step(batch, self.wrapper)
        _wait()
        return (time.perf_counter() - begun) / count


def prepared(path: str, options: dict, start: dict | None, folder: Path) -> Contender:
    """A config's step 1, begun from a step 0 that was not trained.

    Args:
        path: The config.
        options: ``--cfg-options``.
        start: A finished step 0 whose weights to begin with; None for initial weights.
        folder: Where nothing is written, but a trainer wants to know.
    """
    settings = load_run(path, options=options)
    data = open_data(settings)
    learner, context = StepTrainer(settings, data, 0, None, folder).prepare(start)
    carried = to_plain(learner.method.after_task(context))
    previous = {"state_dict": learner.network.state_dict(), "method": {"state": carried}}
    trainer = StepTrainer(settings, data, 1, previous, folder)
    learner, context = trainer.prepare()
    config = trainer.config
    samples = learner.method.select(data, 1, carried)
    loader = trainer.train_loader(learner, samples, 0)
    loader = without_workers(loader) if isinstance(loader, dict) else loader
    batches = list(islice(Runner.build_dataloader(loader), 4))
    wrapper = build_optim_wrapper(learner.network, config.optim_wrapper)
    MethodHook().before_train(SimpleNamespace(model=learner, optim_wrapper=wrapper))
    name = config.get("method_name", config.method.type)
    return Contender(name, learner.train(), wrapper, cycle(batches))


def _wait():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measured(contenders: Sequence[Contender], rounds: int, iterations: int) -> list[float]:
    """Median seconds an iteration of each takes, over rounds in which they take turns."""
    for each in contenders:
        each.iterate(2)
    taken = [[each.iterate(iterations) for each in contenders] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def peak_of(contender: Contender, iterations: int) -> int:
    """Greatest memory, in bytes, of this process (CPU) or of its tensors (GPU)."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    contender.iterate(iterations)
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
