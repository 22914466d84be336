#!/usr/bin/env python
"""Measure what a step costs compared with MMEngine's own Runner on the same network and images.

    python tools/studies/benchmark_runner.py CONFIG CONFIG ... [--iterations 100] [--rounds 5]
    python tools/studies/benchmark_runner.py --cifar [--iterations 500]

Of each config the first step is trained by a plain ``Runner`` with MMEngine's default hooks, and as
``tools/train.py`` does; after every iteration of either follows one of a loop of six lines, so that
whatever else the machine does falls on both. No checkpoint is written. Prints CPU milliseconds an
iteration as a Markdown table: the medians over the rounds, of the ratios too.

``--cifar`` measures a ResNet-18 of a quarter of the width, batch 64, on images of CIFAR's size that
lie in memory, without augmentation, with SGD. There the loop is PyTorch alone: it indexes tensors.
"""

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import DictAction
from mmengine.dataset import InfiniteSampler
from mmengine.model import BaseModel
from mmengine.runner import IterBasedTrainLoop, Runner

from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets import write_arrays
from vdfd_seg.engine import load_run, open_data
from vdfd_seg.engine.run.environment import forget_runner, set_up
from vdfd_seg.engine.run.optimisation import optimisation
from vdfd_seg.engine.run.passes import without_workers
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.models import SegmentationAdapter
from vdfd_seg.protocols import cifar

BATCH = 64
SGD = {"type": "SGD", "lr": 0.01, "momentum": 0.9}


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

    def loop(self) -> Iterator[None]:
        """A loop of six lines, an iteration at a time."""
        trainer, learner, loader = self.fresh()
        model, batches = Plain(learner.adapter).train(), Runner.build_dataloader(loader)
        wrapper, _ = optimisation(trainer.config, learner.network, len(self.data.train_samples(0)))
        yield

        for batch in batches:
            batch = model.data_preprocessor(batch, training=True)
            losses = model(batch["inputs"], batch["data_samples"], mode="loss")
            sum(v for k, v in losses.items() if "loss" in k).backward()
            wrapper.step()
            wrapper.zero_grad()
            yield

    def runner(self) -> tuple[float, float]:
        """By MMEngine's Runner, and the loop next to it."""
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
        return self.timed(runner.train)

    def ours(self) -> tuple[float, float]:
        """As ``tools/train.py`` trains it, and the loop next to it."""
        trainer, _, _ = self.fresh()
        trainer.run.step(0).mkdir(exist_ok=True)
        found = self.timed(trainer.train)
        trainer.run.forget_states(0)
        return found

    def timed(self, train: Callable[[], object]) -> tuple[float, float]:
        """Milliseconds an iteration of MMEngine's loop, and of the one next to it."""
        TimedLoop.other, TimedLoop.other_seconds = self.loop(), 0.0
        next(TimedLoop.other)
        train()
        forget_runner()
        each = TimedLoop.seconds, TimedLoop.other_seconds
        return tuple(1000 * seconds / self.iterations for seconds in each)


def cifar_options(folder: Path, classes: int) -> dict:
    """Changes of ``cifar100-small_5``: of two tasks, with SGD, without augmentation."""
    return {
        "data_root": str(folder / "data"),
        "protocol": {"num_classes": classes, "tasks": 2},
        "model.data_preprocessor": {"crop_padding": 0, "flip": False},
        "optim_wrapper": {"_delete_": True, "type": "OptimWrapper", "optimizer": SGD},
        "param_scheduler": [],
        "step_overrides": {"_delete_": True},
    }


class Cifar(Step):
    """Fine-tuning on random images of CIFAR's size, compared with a loop of PyTorch alone."""

    def __init__(self, iterations: int, folder: Path):
        classes, each = 20, 320
        self.labels = np.arange(classes * each) % classes
        random = np.random.default_rng(0)
        self.images = random.integers(0, 256, (len(self.labels), 32, 32, 3), dtype=np.uint8)
        for split in ("train", "test"):
            write_arrays(folder / "data", split, self.images, self.labels, cifar.CLASSES)
        options = cifar_options(folder, classes)
        super().__init__("finetune_cifar100-small_5", options, iterations, folder)

    def loop(self) -> Iterator[None]:
        """A loop of PyTorch alone, an iteration at a time."""
        _, learner, _ = self.fresh()
        network = learner.network.train()
        wanted = dict(SGD)
        optimizer = getattr(torch.optim, wanted.pop("type"))(network.parameters(), **wanted)
        own = self.labels < network.head_sizes[0]
        images = torch.from_numpy(self.images[own]).permute(0, 3, 1, 2)
        images = images.contiguous(memory_format=torch.channels_last)
        labels, order = torch.from_numpy(self.labels[own]), torch.randperm(int(own.sum()))
        yield

        for iteration in count():
            batch = order[BATCH * iteration % len(order) :][:BATCH]
            inputs = (images[batch].float() / 255 - 0.5) / 0.25
            F.cross_entropy(network(inputs), labels[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
            yield


class TimedLoop:
    """Notes the CPU seconds of MMEngine's loop, without what comes before and after it.

    Attributes:
        other: Asked for one item after every iteration; None for nothing.
        other_seconds: The CPU seconds of that, which are not in ``seconds``.
    """

    seconds = 0.0
    other: Iterator | None = None
    other_seconds = 0.0
    originals = IterBasedTrainLoop.run, IterBasedTrainLoop.run_iter

    def run(self: IterBasedTrainLoop):
        """In place of ``IterBasedTrainLoop.run``."""
        begun = time.process_time()
        model = TimedLoop.originals[0](self)
        TimedLoop.seconds = time.process_time() - begun - TimedLoop.other_seconds
        return model

    def run_iter(self: IterBasedTrainLoop, batch):
        """In place of ``IterBasedTrainLoop.run_iter``."""
        TimedLoop.originals[1](self, batch)
        if TimedLoop.other is not None:
            begun = time.process_time()
            next(TimedLoop.other)
            TimedLoop.other_seconds += time.process_time() - begun


def parser(purpose: str, configs: str) -> argparse.ArgumentParser:
    """Of configs, as many as ``nargs`` says, that are measured in rounds."""
    parse = argparse.ArgumentParser(description=purpose.splitlines()[0])
    parse.add_argument("configs", nargs=configs)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parse = parser(__doc__, "*")
    parse.add_argument("--cifar", action="store_true", help="the case of the docstring")
    parse.add_argument("--iterations", type=int, default=100)
    return run_guarded(measure, parse.parse_args(argv))


def measure(arguments: argparse.Namespace) -> int:
    """Print a line a config."""
    set_up("none")
    IterBasedTrainLoop.run = TimedLoop.run  # type: ignore[method-assign]
    IterBasedTrainLoop.run_iter = TimedLoop.run_iter  # type: ignore[method-assign]
    print(
        "| config | loop | Runner | ours | ours / loop | ours / Runner |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = [
            Step(config, arguments.cfg_options, arguments.iterations, folder)
            for config in arguments.configs
        ]
        if arguments.cifar:
            steps.append(Cifar(arguments.iterations, folder))
        for step in steps:
            # The first warms up.
            turns = [(*step.runner(), *step.ours()) for _ in range(arguments.rounds + 1)][1:]
            runner, loop, ours, again = (median(each) for each in zip(*turns, strict=True))
            to_loop = median(turn[2] / turn[3] for turn in turns)
            to_runner = median(turn[2] / turn[3] * turn[1] / turn[0] for turn in turns)
            times = ((loop + again) / 2, runner, ours)
            shown = [step.settings.name, *(f"{each:.1f} ms" for each in times)]
            print(
                f"| {' | '.join(shown)} | {to_loop:.3f} | {to_runner:.3f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
