"""``vdfd_seg multi_run``: several configs with several seeds, and one comparison."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from vdfd_seg.errors import InputError
from vdfd_seg.multi_run.processes import run_jobs
from vdfd_seg.utils.installation import quiet_imports

FEW = 12
"""Up to so many runs are shown step by step."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 when every run is finished, 1 when one failed."""
    parse = argparse.ArgumentParser(
        description="Train every config with every seed (and order), each in a process of its own, "
        "and compare them. What an earlier start finished is kept, what it started is continued."
    )
    parse.add_argument("configs", nargs="+", metavar="CONFIG", help="as in train")
    parse.add_argument(
        "--methods", nargs="+", default=[], metavar="NAME", help="each config with each of these"
    )
    parse.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parse.add_argument(
        "--orders", type=int, default=0, metavar="N",
        help="with N random orders of the classes or domains; default: the config's own order",
    )  # fmt: skip
    parse.add_argument(
        "--grid", nargs="+", default=[], metavar="K=V,V",
        help="each with every combination of these values, to choose from",
    )  # fmt: skip
    parse.add_argument("--jobs", type=int, default=1, metavar="J", help="J at once; default: 1")
    parse.add_argument("--work-dir", default="work_dirs/multi_run", help="default: %(default)s")
    parse.add_argument(
        "--share-first", action="store_true",
        help="methods start from the first config's step 0 of the same seed, where they can",
    )  # fmt: skip
    parse.add_argument("--overwrite", action="store_true", help="start again")
    parse.add_argument("--title", help="of the report")
    parse.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="K=V", help="override keys of every config"
    )
    args = parse.parse_args(argv)
    for key, least in (("jobs", 1), ("orders", 0)):
        if getattr(args, key) < least:
            raise InputError(f"--{key} {getattr(args, key)} must be at least {least}.")
    with quiet_imports():
        from vdfd_seg.engine.input.overrides import parse_options
        from vdfd_seg.multi_run.plan import jobs_of, plan_runs

    runs = plan_runs(
        args.configs, Path(args.work_dir), args.seeds, args.orders, args.share_first,
        parse_options(args.cfg_options), args.methods, args.grid,
    )  # fmt: skip
    jobs = jobs_of(runs, args.overwrite)
    print(f"{len(runs)} runs, {len(runs) - len(jobs)} of them finished already", flush=True)
    run_jobs(jobs, args.jobs, report=lambda line: print(line, flush=True))
    status = report_on(runs, Path(args.work_dir), args.title)
    if args.grid:
        print("\n".join(best_of(runs)))
    return 1 if any(job.failed for job in jobs) else status


def report_on(runs: Sequence, work_dir: Path, title: str | None = None) -> int:
    """Print the comparison of finished runs and write ``comparison.txt`` and ``report.html``.

    Returns:
        The exit status: 0 when all :class:`~vdfd_seg.multi_run.plan.Run` are finished, else 1.
    """
    from vdfd_seg.evaluation import RunFiles, format_comparison, format_table
    from vdfd_seg.utils.files import atomic_write_text
    from vdfd_seg.visualization import write_report

    finished = [run for run in runs if run.finished]
    if finished:
        one_each = len(finished) == len({run.method for run in finished})
        files = [
            RunFiles(run.folder, run.results(), run.method if one_each else run.name)
            for run in finished
        ]
        text = ""
        few = len(finished) <= FEW and not any(run.order for run in finished)
        if few:
            text += format_table(files) + "\n"
        if not (few and one_each):
            results = [
                {**file.results, "method": run.method}
                for file, run in zip(files, finished, strict=True)
            ]
            text += "Mean and standard deviation over the seeds\n" + format_comparison(results)
        print(f"\n{text}")
        atomic_write_text(work_dir / "comparison.txt", text)
        report = write_report(files, work_dir / "report.html", title)
        print(f"report: {report.resolve()}")
    missing = [run for run in runs if not run.finished]
    for run in missing:
        print(f"not finished: {run.name} ({run.folder})")
    return 1 if missing else 0


def best_of(runs: Sequence) -> list[str]:
    """For each config, the grid's point with the best mean over its finished seeds and orders.

    The measure is that over all images after the last step (``overall`` in ``results.json``).
    """
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        if run.finished:
            points = found.setdefault(run.settings.name, {})
            points.setdefault(run.method, []).append(run.results()["steps"][-1]["overall"])
    lines = []
    for name, points in found.items():
        means = {point: mean(values) for point, values in points.items()}
        best = max(means, key=means.__getitem__)
        lines.append(f"best of {name}: {best} ({means[best]:.2f})")
    return lines
