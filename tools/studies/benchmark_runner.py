#!/usr/bin/env python
"""Measure what a step costs beside MMEngine's own Runner on the same network and images.

    python tools/studies/benchmark_runner.py CONFIG CONFIG ... [--iterations 100] [--rounds 5]

Of each config the first step is trained in three ways that take turns in one process: by a loop of
six lines, by a plain ``Runner`` with MMEngine's default hooks, and as ``tools/train.py`` does. No
checkpoint is written. Prints CPU milliseconds an iteration, which other programs do not change, as
a Markdown table: the median over the rounds.
"""

import argparse
import copy
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from mmengine.config import DictAction
from mmengine.dataset import InfiniteSampler
from mmengine.model import BaseModel
from mmengine.runner import IterBasedTrainLoop, Runner

from vdfd_seg.cli import run_guarded
from vdfd_seg.engine import load_run, open_data
from vdfd_seg.engine.run.environment import forget_runner, set_up
from vdfd_seg.engine.run.optimisation import optimisation
from vdfd_seg.engine.run.passes import without_workers
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.models import SegmentationAdapter


class Plain(BaseModel):
    """A network with its own loss: MMSegmentation's, or the classifier's cross-entropy."""

    def __init__(self, adapter):
        super().__init__(data_preprocessor=adapter.network.data_preprocessor)
        self.network, self.adapter = adapter.network, adapter

    def forward(self, inputs, data_samples=None, mode="loss"):
        """The losses by name."""
        if isinstance(self.adapter, SegmentationAdapter):
            return self.network(inputs, data_samples, mode="loss")
        return self.adapter.task_loss(self.adapter.outputs(inputs), data_samples)


class Step:
    """A config's first step, as often as it is measured."""

    def __init__(self, config: str, options: dict, iterations: int, folder: Path):
        changes = {"train_cfg": {"_delete_": True, "max_iters": iterations}, "save_interval": 10**9}
        self.settings = load_run(config, options={**options, **changes})
        self.data = open_data(self.settings)
        self.folder = folder
        self.iterations = iterations

    def fresh(self):
        """A trainer, its learner, and a loader without workers."""
        trainer = StepTrainer(self.settings, self.data, 0, WorkDir(self.folder))
        learner = trainer.prepare()
        loader = trainer.train_loader(self.data.train_samples(0))
        loader = without_workers(loader) if isinstance(loader, dict) else loader
        return trainer, learner, loader

    def bare(self) -> float:
        """By a loop of six lines."""
        trainer, learner, loader = self.fresh()
        model, batches = Plain(learner.adapter).train(), Runner.build_dataloader(loader)
        wrapper, _ = optimisation(trainer.config, learner.network, len(self.data.train_samples(0)))

        begun = time.process_time()
        for batch in islice(batches, self.iterations):
            batch = model.data_preprocessor(batch, training=True)
            losses = model(batch["inputs"], batch["data_samples"], mode="loss")
            sum(v for k, v in losses.items() if "loss" in k).backward()
            wrapper.step()
            wrapper.zero_grad()
        return (time.process_time() - begun) / self.iterations

    def runner(self) -> float:
        """By MMEngine's Runner."""
        trainer, learner, loader = self.fresh()
        if isinstance(loader, dict):
            loader = {**loader, "sampler": {"type": InfiniteSampler, "shuffle": True}}
        runner = Runner(
            model=Plain(learner.adapter),
            work_dir=str(self.folder),
            train_dataloader=loader,
            train_cfg={"by_epoch": False, "max_iters": self.iterations},
            optim_wrapper=copy.deepcopy(dict(trainer.config.optim_wrapper)),
            default_hooks={"checkpoint": None, "sampler_seed": None},
            default_scope="mmseg",
        )
        runner.train()
        return self.ended()

    def ours(self) -> float:
        """As ``tools/train.py`` trains it."""
        trainer, _, _ = self.fresh()
        trainer.run.step(0).mkdir(exist_ok=True)
        trainer.train()
        trainer.run.forget_states(0)
        return self.ended()

    def ended(self) -> float:
        """Seconds an iteration of the loop that has just ended."""
        forget_runner()
        return TimedLoop.seconds / self.iterations


class TimedLoop:
    """Notes the CPU seconds of MMEngine's loop, without what comes before and after it."""

    seconds = 0.0
    original = IterBasedTrainLoop.run

    def run(self: IterBasedTrainLoop):
        """In place of ``IterBasedTrainLoop.run``."""
        begun = time.process_time()
        model = TimedLoop.original(self)
        TimedLoop.seconds = time.process_time() - begun
        return model


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="+")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    arguments = parser.parse_args(argv)
    return run_guarded(measure, arguments)


def measure(arguments: argparse.Namespace) -> int:
    """Print a line a config."""
    set_up("none")
    IterBasedTrainLoop.run = TimedLoop.run  # type: ignore[method-assign]
    print(
        "| config | loop | Runner | ours | ours / loop | ours / Runner |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for config in arguments.configs:
            step = Step(config, arguments.cfg_options, arguments.iterations, Path(folder))
            taken: dict[str, list[float]] = {"bare": [], "runner": [], "ours": []}
            for turn in range(arguments.rounds + 1):
                for name, seconds in taken.items():
                    spent = getattr(step, name)()
                    if turn:  # the first warms up
                        seconds.append(1000 * spent)
            bare, runner, ours = (statistics.median(each) for each in taken.values())
            print(
                f"| {step.settings.name} | {bare:.1f} ms | {runner:.1f} ms | {ours:.1f} ms "
                f"| {ours / bare:.2f} | {ours / runner:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
