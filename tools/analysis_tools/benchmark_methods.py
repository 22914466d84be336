#!/usr/bin/env python
"""Measure what an iteration of a later step costs with each method.

    python tools/analysis_tools/benchmark_methods.py CONFIG CONFIG ... [--init-from CHECKPOINT]

The networks of all configs take turns in one process, on batches of step 1: a few iterations of
each, again and again, so that whatever else the machine does falls on all of them. The first
config is what the others are compared with; give it fine-tuning. "Held" is what the method holds
next to the network (:mod:`vdfd_seg.methods.common.training_memory`), without images that it
stores. ``--memory`` then runs every config once more in a process of its own and reports the
greatest memory that it took.
Prints a Markdown table.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import DictAction

from vdfd_seg.cli import run_guarded
from vdfd_seg.utils.installation import quiet_imports


@dataclass
class Contender:
    """One method in its second step, ready to be timed."""

    name: str
    learner: Any
    wrapper: Any
    batches: cycle

    def iterate(self, count: int) -> float:
        """Seconds an iteration takes, over ``count``."""
        import torch

        wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
        wait()
        begun = time.perf_counter()
        for batch in islice(self.batches, count):
            self.learner.train_step(batch, self.wrapper)
        wait()
        return (time.perf_counter() - begun) / count


def prepared(path: str, options: dict, start: dict | None) -> Contender:
    """A config's step 1, started from a step 0 that was not trained.

    Args:
        path: The config.
        options: ``--cfg-options``.
        start: A finished step 0 whose weights to start with; None for initial weights.
    """
    from mmengine.optim import build_optim_wrapper
    from mmengine.runner import Runner

    from vdfd_seg.engine import load_run, open_data
    from vdfd_seg.engine.run.passes import without_workers
    from vdfd_seg.engine.run.step import StepTrainer
    from vdfd_seg.engine.state.work_dir import WorkDir
    from vdfd_seg.hooks import MethodHook

    settings = load_run(path, options=options)
    # Nothing is written.
    data, nowhere = open_data(settings), WorkDir("")
    first = StepTrainer(settings, data, 0, nowhere)
    network = first.prepare(start).network
    previous = {"method": {"state": first.end()}, "state_dict": network.state_dict()}
    trainer = StepTrainer(settings, data, 1, nowhere, previous)
    learner, config = trainer.prepare(), trainer.config
    loader = trainer.train_loader(learner.method.select(data, 1, trainer.carried))
    loader = without_workers(loader) if isinstance(loader, dict) else loader
    batches = list(islice(Runner.build_dataloader(loader), 4))
    wrapper = build_optim_wrapper(learner.network, config.optim_wrapper)
    MethodHook().before_train(SimpleNamespace(model=learner, optim_wrapper=wrapper))
    return Contender(settings.method_name, learner.train(), wrapper, cycle(batches))


def measured(contenders: Sequence[Contender], rounds: int, iterations: int) -> list[float]:
    """Median seconds an iteration of each takes, over rounds in which they take turns."""
    for each in contenders:
        each.iterate(2)
    taken = [[each.iterate(iterations) for each in contenders] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def peak_of(contender: Contender, iterations: int) -> int:
    """Greatest memory, in bytes, of this process (CPU) or of its tensors (GPU)."""
    from vdfd_seg.engine.run.peak_memory import PeakMemory

    # Not getrusage's, which a process inherits from the one that starts it.
    peak = PeakMemory()
    contender.iterate(iterations)
    return peak.read()


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("configs", nargs="+", help="config files, or names of packaged configs")
    parse.add_argument("--init-from", metavar="CHECKPOINT", help="weights of a finished step 0")
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--iterations", type=int, default=4, help="of each method a round")
    parse.add_argument("--memory", action="store_true", help="measure peak memory as well")
    parse.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    parse.add_argument("--peak-only", action="store_true", help=argparse.SUPPRESS)
    args = parse.parse_args(argv)

    with quiet_imports():
        from vdfd_seg.engine import set_up
        from vdfd_seg.evaluation.readable import human_bytes
        from vdfd_seg.methods.common.training_memory import held_bytes
        from vdfd_seg.utils.checkpoint import load_step

    set_up()
    start = load_step(args.init_from) if args.init_from else None
    ready = [prepared(config, args.cfg_options, start) for config in args.configs]
    if args.peak_only:
        print(json.dumps(peak_of(ready[0], args.iterations)))
        return
    seconds = measured(ready, args.rounds, args.iterations)
    peaks = [None] * len(ready)
    if args.memory:
        others = [a for a in argv if a not in args.configs and a != "--memory"]
        peaks = [_peak_in_a_process(config, others) for config in args.configs]
    print("\n| method | ms an iteration | relative | held | peak memory |\n|---|---|---|---|---|")
    for each, taken, peak in zip(ready, seconds, peaks, strict=True):
        held = human_bytes(held_bytes(each.learner.method, each.learner.network))
        shown = "not measured" if peak is None else human_bytes(peak)
        print(f"| {each.name} | {1000 * taken:.0f} | {taken / seconds[0]:.2f} | {held} | {shown} |")


def _peak_in_a_process(config, others):
    command = [sys.executable, __file__, config, "--peak-only", *others]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(run_guarded(main))
