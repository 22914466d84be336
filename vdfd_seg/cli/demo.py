"""``vdfd_seg demo``: a whole continual sequence on the embedded data set."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vdfd_seg import cli
from vdfd_seg.utils.environment import quiet_imports

BENCHMARK = "digitscenes_4-3"
METHODS = ("finetune", "unce", "vdfd", "vdfd-plus")
"""All start from the first one's step 0."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    begun = time.perf_counter()
    parse = argparse.ArgumentParser(
        description="Train DeepLabV3 on three tasks of DigitScenes, one after another: with plain "
        "fine-tuning, with fine-tuning under the unbiased cross-entropy, and with VDFD and with "
        "VDFDPlus under it. What an earlier start finished is kept."
    )
    parse.add_argument("--out", default="work_dirs/demo", help="default: %(default)s")
    parse.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parse.add_argument("--overwrite", action="store_true", help="begin again")
    parse.add_argument("--iters", type=int, help=argparse.SUPPRESS)
    args = parse.parse_args(argv)
    with quiet_imports():
        from vdfd_seg.cli.multi_run import report_on
        from vdfd_seg.engine.run.environment import release_memory
        from vdfd_seg.evaluation import RunFiles
        from vdfd_seg.multi_run.plan import unfinished
        from vdfd_seg.utils.garbage import present_objects_kept
        from vdfd_seg.visualization import write_montage

    out = Path(args.out)
    whole = args.overwrite or not out.exists()
    # In this process: importing the stack anew takes seconds. The output goes to the terminal: the
    # demo shows what a run does.
    with present_objects_kept():
        runs = plan(out, args.seeds, args.iters)
        for _, arguments in unfinished(runs, args.overwrite):
            status = cli.main(arguments)
            if status >= cli.EXIT_SIGNAL:
                return status
            release_memory()
    status = report_on(runs, out, "DigitScenes 4-3: forgetting")
    # Of one seed: plain fine-tuning, and what forgets least.
    shown = [runs[0], runs[len(METHODS) - 1]]
    if all(run.finished for run in shown):
        files = [RunFiles(run.folder, run.results(), run.method) for run in shown]
        print(f"pictures: {write_montage(files, out / 'predictions.png').resolve()}")
    if whole and not status:
        trained = sum(step["seconds"] for run in runs for step in run.results()["steps"])
        took = time.perf_counter() - begun
        print(f"time: {took:.0f} s, {trained:.0f} of them ({trained / took:.0%}) training")
    return status


def plan(out: Path, seeds: Sequence[int], iters: int | None = None) -> list:
    """The demo's runs; those of a seed start from the first one's step 0.

    ``iters`` is the number of iterations of each step; None for the configs' own.
    """
    from vdfd_seg.engine import load_run
    from vdfd_seg.multi_run.plan import Run

    options: dict[str, Any] = {
        # It looks for mistakes in a config, and a run is over before it would have paid.
        "rehearsal": False,
        "log_level": "WARNING",
        "custom_hooks": [{"type": "vdfd_seg.ProgressHook"}],
    }
    if iters:
        options["train_cfg.max_iters"] = iters
        options["step_overrides"] = {"1:": {"train_cfg": {"max_iters": iters}}}
    runs = []
    for seed in seeds:
        first = None
        for name in METHODS:
            settings = load_run(BENCHMARK, name, options, seed)
            method = settings.method_name
            title = f"{method}, seed {seed}" if len(seeds) > 1 else method
            folder = out / f"{name}_seed{seed}"
            runs.append(Run(settings, folder, title, method, options, first=first))
            first = first or runs[-1]
    return runs
