#!/usr/bin/env python3
"""Curves of what training logged, over all steps of one run or several, and a table of them.

Reads the scalars of MMEngine's LocalVisBackend, ``step_KK/TIME/vis_data/scalars.json``. Iterations
count on from step to step; dotted lines stand where steps of the first run start.

Usage: python tools/analysis_tools/analyze_logs.py WORK_DIR [...] [--keys loss lr] [--out FILE]
"""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.utils.installation import quiet_imports

Curve = list[tuple[int, float]]


def read_scalars(work_dir: Path) -> list[dict[int, dict[str, float]]]:
    """What each step logged, by iteration; of a resumed step what was logged last."""
    steps = []
    for folder in sorted(work_dir.glob("step_[0-9]*")):
        logged: dict[int, dict[str, float]] = {}
        for file in sorted(folder.glob("*/vis_data/scalars.json")):
            for line in file.read_text().splitlines():
                entry = json.loads(line)
                logged.setdefault(entry.get("step", 0), {}).update(entry)
        steps.append(logged)
    if not any(steps):
        raise InputError(
            f"'{work_dir}' has no step_*/*/vis_data/scalars.json: the config's visualizer needs "
            f"vis_backends=[dict(type='LocalVisBackend')], and default_hooks.logger.interval must "
            f"be shorter than a step."
        )
    return steps


def curve_of(steps: list[dict[int, dict[str, float]]], key: str) -> tuple[Curve, list[int]]:
    """A key's values over the iterations of all steps, and where each step starts."""
    curve, starts, done = [], [], 0
    for logged in steps:
        starts.append(done)
        curve += [(done + i, entry[key]) for i, entry in sorted(logged.items()) if key in entry]
        done += max(logged, default=0)
    if not curve:
        keys = {name for logged in steps for entry in logged.values() for name in entry}
        raise unknown_name("key", key, keys - {"step"})
    return curve, starts


def main(argv=None) -> int:
    """Print the table and write the plot."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("work_dirs", nargs="+", type=Path, help="folders with step_KK")
    parse.add_argument("--keys", nargs="+", default=["loss"], help="default: loss")
    parse.add_argument("--out", help="a .png or .svg file for the curves")
    args = parse.parse_args(argv)

    with quiet_imports():
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        from vdfd_seg.visualization.style import Plot, add_legend, run_style

    curves, begins = {}, []
    for work_dir in args.work_dirs:
        steps = read_scalars(work_dir)
        for key in args.keys:
            name = f"{work_dir.name} {key}" if len(args.work_dirs) > 1 else key
            curves[name], starts = curve_of(steps, key)
            begins = begins or starts
            for step, (start, end) in enumerate(zip(starts, [*starts[1:], float("inf")])):
                own = [value for i, value in curves[name] if start < i <= end]
                if own:
                    print(f"{name}, step {step}: first {own[0]:.4g}, last {own[-1]:.4g}, "
                          f"mean {mean(own):.4g}")  # fmt: skip

    def draw() -> Figure:
        figure = Figure(figsize=(8, 3.4), layout="constrained")
        axes, handles = figure.add_subplot(), {}
        for index, (name, curve) in enumerate(curves.items()):
            style = {**run_style(index), "marker": None}
            (handles[name],) = axes.plot(*zip(*curve), linewidth=1.4, **style)
        for start in begins[1:]:
            axes.axvline(start, linestyle=":", linewidth=0.8, color=axes.xaxis.label.get_color())
        axes.set(xlabel="iteration, all steps", ylabel=", ".join(args.keys))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        add_legend(figure, handles)
        return figure

    if args.out:
        Plot(draw, "Curves over the iterations of all steps").save(args.out)
        print(f"curves: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
