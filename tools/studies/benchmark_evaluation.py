#!/usr/bin/env python
"""Measure what evaluating a step costs compared with MMSegmentation's own test loop.

    python tools/studies/benchmark_evaluation.py CONFIG CONFIG ... [--rounds 5]

The network of a config's last step, with fresh weights, is evaluated on all test images in three
ways that take turns in one process: by ``Runner.test`` with MMSegmentation's ``IoUMetric``, one
image at a time as its own configs do and with the config's batch; and as ``tools/test.py`` does.
All must find the same values. Prints milliseconds an image as a Markdown table, the median over
the rounds: the time that passed, and the processor's, loader's workers included, which other
programs hardly change.
"""

import argparse
import io
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout

from benchmark_runner import parser
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric

from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets.segmentation.data import of_one_size
from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.networks import network_of_step
from vdfd_seg.engine.run.environment import forget_runner, set_up
from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
from vdfd_seg.models import ContinualLearner

WAYS = ("one by one", "in batches", "ours")


class Evaluation:
    """A config's last step, evaluated as often as it is measured.

    Each way gives mean IoU and pixel accuracy, in percent.
    """

    def __init__(self, config: str, options: dict, folder: str):
        self.settings = load_run(config, options=options)
        protocol = self.settings.protocol
        protocol.check_problem("this benchmark", "segmentation")
        self.step = len(protocol.tasks) - 1
        config_of_step = self.settings.for_step(self.step)
        self.loader = config_of_step.test_dataloader
        self.data = open_data(self.settings)
        self.samples = self.data.test_samples(self.step)
        adapter = network_of_step(self.settings, self.step, None, "random", False)
        self.learner = ContinualLearner(adapter.network, self.settings.method(), adapter)
        self.folder = folder
        # MMSegmentation stacks a batch as it comes.
        stack = all(map(_stacks, Runner.build_dataloader(self._their_loader(None), seed=0)))
        self.ways = [way for way in WAYS if stack or way != "in batches"]

    def measure(self, way: str) -> tuple[float, float, tuple[float, float]]:
        """Seconds that passed, the processor's, and what was found."""
        ours = way == "ours"
        call = self._ours if ours else self._runner(1 if way == WAYS[0] else None).test
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            begun = time.perf_counter(), _processor()
            found = call()
            spent = time.perf_counter() - begun[0], _processor() - begun[1]
        forget_runner()
        values = found if ours else (found["mIoU"], found["aAcc"])
        return *spent, values

    def _ours(self) -> tuple[float, float]:
        confusions = confusions_of_step(self.learner, self.data, self.step, self.loader)
        metrics = step_metrics(self.data.protocol, self.step, confusions)
        return metrics["overall"], metrics["pixel_accuracy"]

    def _their_loader(self, batch_size: int | None) -> dict:
        pipeline = self.loader["dataset"]["pipeline"]
        return {
            **self.loader,
            "dataset": self.data.dataset(self.data.evaluate_on_part, self.samples, pipeline),
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "batch_size": batch_size or self.loader["batch_size"],
        }

    def _runner(self, batch_size: int | None) -> Runner:
        return Runner(
            model=self.learner.network,
            work_dir=self.folder,
            test_dataloader=self._their_loader(batch_size),
            test_evaluator={"type": IoUMetric},
            test_cfg={},
            default_scope="mmseg",
            log_level="ERROR",
        )


def _stacks(batch: dict) -> bool:
    return len(list(of_one_size(batch))) == 1


def _processor() -> float:
    """Seconds of the processor's time, of the workers that have ended too."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_guarded(measure, parser(__doc__, "+").parse_args(argv))


def measure(arguments: argparse.Namespace) -> int:
    """Print two lines a config."""
    set_up("none")
    print("| config | | one by one | in batches | ours | ours / one by one | ours / batches |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for config in arguments.configs:
            evaluation = Evaluation(config, arguments.cfg_options, folder)
            taken: dict[str, list] = {way: [] for way in evaluation.ways}
            for turn in range(arguments.rounds + 1):
                for way, rounds in taken.items():
                    *spent, values = evaluation.measure(way)
                    if turn:  # the first warms up
                        rounds.append(spent)
                    elif way == WAYS[0]:
                        expected = values
                    elif max(abs(a - b) for a, b in zip(values, expected, strict=True)) > 0.02:
                        raise RuntimeError(f"{way}: {values}, {WAYS[0]}: {expected}")
            for number, kind in enumerate(("wall", "processor")):
                cost = {
                    way: 1000 * statistics.median(each[number] for each in rounds)
                    / len(evaluation.samples)
                    for way, rounds in taken.items()
                }  # fmt: skip
                cells = [f"{cost[way]:.2f} ms" if way in cost else "–" for way in WAYS]
                cells += [f"{cost['ours'] / cost[w]:.2f}" if w in cost else "–" for w in WAYS[:2]]
                print(f"| {evaluation.settings.name} | {kind} | {' | '.join(cells)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
