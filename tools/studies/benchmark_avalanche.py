#!/usr/bin/env python
"""Measure an iteration of a second task, and Avalanche's: one network, images and optimiser.

    python tools/studies/benchmark_avalanche.py [--iterations 30] [--rounds 3]

Needs https://pypi.org/project/avalanche-lib, in an environment of its own. Images of CIFAR's size
lie in memory as they are, without augmentation; batch 64, SGD, all classes seen compete; the
network is a ResNet-18 of a quarter of the width. Prints CPU milliseconds an iteration as a Markdown
table: the median over the rounds. Avalanche without its metrics.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from benchmark_runner import BATCH, TimedLoop, cifar_options
from mmengine.runner import IterBasedTrainLoop
from torch import nn
from torch.utils.data import TensorDataset

from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets import write_arrays
from vdfd_seg.engine import load_run, set_up, train_sequence
from vdfd_seg.errors import InputError
from vdfd_seg.models import ContinualClassifier
from vdfd_seg.protocols import cifar

CLASSES = 20
WIDTHS = (16, 32, 64, 128)
METHODS = {
    "fine-tuning": ("Naive", {}, {"type": "FineTune"}),
    "LwF": ("LwF", {"alpha": 1.0, "temperature": 2.0}, {"type": "LwF"}),
    "EWC": ("EWC", {"ewc_lambda": 1.0}, {"type": "EWC", "images": BATCH}),
}
"""Avalanche's strategy with its options, and the method here."""


class Images(TensorDataset):
    """Tensors in memory, as Avalanche takes them."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor):
        super().__init__(images, labels)
        self.targets = labels.tolist()


def theirs(name: str, options: dict, images: np.ndarray, labels: np.ndarray) -> float:
    """CPU seconds of the second task's epoch with Avalanche's strategy."""
    from avalanche.benchmarks import nc_benchmark
    from avalanche.core import SupervisedPlugin
    from avalanche.training import supervised
    from avalanche.training.plugins import EvaluationPlugin

    class Timer(SupervisedPlugin):
        def before_training_epoch(self, strategy, **kwargs):
            self.begun = time.process_time()

        def after_training_epoch(self, strategy, **kwargs):
            self.seconds = time.process_time() - self.begun

    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    data = Images(pixels, torch.from_numpy(labels))
    tasks = nc_benchmark(
        data, data, n_experiences=2, task_labels=False, fixed_class_order=list(range(CLASSES))
    )
    half = CLASSES // 2
    network = ContinualClassifier(
        {"type": "vdfd_seg.PreActResNet", "widths": WIDTHS}, head_sizes=(half, half)
    )
    timer = Timer()
    strategy = getattr(supervised, name)(
        model=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=BATCH,
        evaluator=EvaluationPlugin(),
        plugins=[timer],
        **options,
    )
    for experience in tasks.train_stream:
        strategy.train(experience)
    return timer.seconds


def ours(method: dict, folder: Path) -> float:
    """CPU seconds of the second step's training."""
    options = {
        **cifar_options(folder, CLASSES),
        "protocol.scenario": "class",
        "model.label_trick": False,
        "train_cfg.max_epochs": 1,
        "method": {"_delete_": True, **method},
        "train_dataloader.batch_size": BATCH,
        "log_level": "WARNING",
        "rehearsal": False,
    }
    settings = load_run("cifar100-small_5", "finetune", options)
    train_sequence(settings, folder / "run", overwrite=True)
    return TimedLoop.seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=30, help="of each task")
    parser.add_argument("--rounds", type=int, default=3)
    return run_guarded(measure, parser.parse_args(argv))


def measure(arguments: argparse.Namespace) -> int:
    """Print a line a method."""
    try:
        import avalanche  # noqa: F401
    except ImportError as error:
        raise InputError(f"NOT MEASURED: Avalanche is not installed ({error}).") from error
    set_up("none")
    IterBasedTrainLoop.run = TimedLoop.run  # type: ignore[method-assign]
    count = arguments.iterations * BATCH
    # As many of each class as of the next, to one image.
    labels = np.concatenate([np.arange(count) % 10, 10 + np.arange(count) % 10])
    images = np.random.default_rng(0).integers(0, 256, (2 * count, 32, 32, 3), dtype=np.uint8)
    print("| | Avalanche | ours | ours / Avalanche |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, stride in (("train", 1), ("test", BATCH)):
            every = slice(None, None, stride)
            write_arrays(folder / "data", split, images[every], labels[every], cifar.CLASSES)
        for title, (strategy, options, method) in METHODS.items():
            rounds = [
                (theirs(strategy, options, images, labels), ours(method, folder))
                for _ in range(arguments.rounds)
            ]
            both = [
                1000 / arguments.iterations * statistics.median(each)
                for each in zip(*rounds, strict=True)
            ]
            ratio = both[1] / both[0]
            print(f"| {title} | {both[0]:.1f} ms | {both[1]:.1f} ms | {ratio:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
