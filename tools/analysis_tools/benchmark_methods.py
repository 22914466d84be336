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
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import DictAction

from vdfd_seg.cli import run_guarded
from vdfd_seg.utils.environment import quiet_imports


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("configs", nargs="+", help="config files, or names of packaged configs")
    parse.add_argument("--init-from", metavar="CHECKPOINT", help="weights of a finished step 0")
    parse.add_argument("--rounds", type=int, default=7)
    parse.add_argument("--iterations", type=int, default=4, help="of each method a round")
    parse.add_argument("--memory", action="store_true", help="measure peak memory as well")
    parse.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    parse.add_argument("--peak-only", action="store_true", help=argparse.SUPPRESS)
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    argv = list(sys.argv[1:] if argv is None else argv)
    args = parser().parse_args(argv)

    with quiet_imports():
        from contenders import measured, peak_of, prepared

        from vdfd_seg.engine.run.environment import set_up
        from vdfd_seg.evaluation.readable import human_bytes
        from vdfd_seg.methods.common.training_memory import held_bytes
        from vdfd_seg.utils.checkpoint import load_step

    set_up()
    start = load_step(args.init_from) if args.init_from else None
    with tempfile.TemporaryDirectory() as folder:
        ready = [prepared(c, args.cfg_options, start, Path(folder)) for c in args.configs]
        if args.peak_only:
            print(json.dumps(peak_of(ready[0], args.iterations)))
            return 0
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
    return 0


def _peak_in_a_process(config, others):
    command = [sys.executable, __file__, config, "--peak-only", *others]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(run_guarded(main))
