#!/usr/bin/env python3
"""A step's confusion matrix as a plot: of each true class the share predicted as each class.

It is read from ``results.json``; nothing is evaluated.

Usage: python tools/analysis_tools/confusion_matrix.py WORK_DIR [--step K] [--task J] --out FILE
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.utils.installation import quiet_imports


def confusion_of(results: dict, step: int | None = None, task: int | None = None):
    """The confusion matrix of a step, its class names and the step's number.

    Args:
        results: As :func:`vdfd_seg.evaluation.load_results` reads them.
        step: The step; None for the last.
        task: Of a domain-incremental run, on this task's test images; None for all of them.
    """
    import numpy as np

    from vdfd_seg.evaluation import pool

    entries = {entry["step"]: entry for entry in results["steps"] if "confusions" in entry}
    step = max(entries, default=0) if step is None else step
    if step not in entries:
        raise InputError(f"step {step} has no confusion matrix; there are those of {[*entries]}.")
    found = {int(key): np.array(value) for key, value in entries[step]["confusions"].items()}
    if task is not None and task not in found:
        raise unknown_name("task", task, map(str, found))
    return pool(found) if task is None else found[task], list(entries[step]["per_class"]), step


def main(argv=None) -> None:
    """Write the plot."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("work_dir", help="a folder that holds a results.json, or the file")
    parse.add_argument("--step", type=int, help="default: the last")
    parse.add_argument("--task", type=int, help="domain-incremental: of this task's images")
    parse.add_argument("--out", required=True, help="a .png or .svg file")
    args = parse.parse_args(argv)

    with quiet_imports():
        from vdfd_seg.evaluation import load_results
        from vdfd_seg.visualization.figures import confusion

    results = load_results(args.work_dir)
    counts, classes, step = confusion_of(results, args.step, args.task)
    confusion(counts, classes, f"{results['method']} after step {step}").save(args.out)
    print(f"confusion matrix of step {step}, {len(classes)} classes: {args.out}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
