"""``vdfd_seg demo``: a whole continual sequence on the embedded data set."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vdfd_seg.cli.arguments import command_line
from vdfd_seg.errors import Stopped
from vdfd_seg.utils.installation import quiet_imports

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
    parse.add_argument("--overwrite", action="store_true", help="start again")
    parse.add_argument("--iters", type=int, help=argparse.SUPPRESS)
    args = parse.parse_args(argv)
    with quiet_imports():
        from vdfd_seg.cli.multi_run import report_on
        from vdfd_seg.engine import train_sequence
        from vdfd_seg.engine.run.environment import release_memory
        from vdfd_seg.evaluation import RunFiles
        from vdfd_seg.multi_run.plan import plan_runs, unfinished
        from vdfd_seg.utils.garbage import present_objects_kept
        from vdfd_seg.utils.signals import listening
        from vdfd_seg.visualization import write_montage

    out = Path(args.out)
    whole = args.overwrite or not out.exists()
    options: dict[str, Any] = {
        # It looks for mistakes in a config, and a run is over before it would have paid.
        "rehearsal": False,
        "log_level": "WARNING",
        "custom_hooks": [{"type": "vdfd_seg.ProgressHook"}],
    }
    if args.iters:
        options["train_cfg.max_iters"] = args.iters
        options["step_overrides"] = {"1:": {"train_cfg": {"max_iters": args.iters}}}
    # In this process: importing the stack again takes seconds. The output goes to the terminal: the
    # demo shows what a run does.
    with present_objects_kept():
        runs = plan_runs(
            [BENCHMARK], out, args.seeds, share_first=True, options=options, methods=METHODS
        )
        try:
            with listening():
                for run, _ in unfinished(runs, args.overwrite):
                    train_sequence(
                        run.settings, run.folder, resume=not args.overwrite,
                        overwrite=args.overwrite, init_from=run.start, command=command_line(),
                    )  # fmt: skip
                    release_memory()
        except Stopped as stopped:
            without = " without --overwrite" if args.overwrite else ""
            stopped.advice = f"The same command{without} continues"
            raise
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
