"""Plots of the classes: bars, or marks where many runs are compared, in parts that fit a page."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vdfd_seg.visualization.plot_style import (
    CYCLE,
    label,
    legend_rows,
    run_style,
    set_legend,
    set_title,
)
from vdfd_seg.visualization.svg import render

ClassValues = Mapping[str, float | None]

# More runs than colours: bars would be a forest, a class then has one line with a mark a run.
MOST_BARS = len(CYCLE)
# Inches. A part fits a page of A4 or letter under the legend.
_TALLEST = 7.6


def class_height(runs: int) -> float:
    """Inches that one class takes in :func:`class_bars`."""
    return 0.12 + 0.14 * runs if runs <= MOST_BARS else 0.3


def class_parts(classes: Sequence[str], runs: int) -> list[list[str]]:
    """Classes in parts of about the same number, such that each part's plot fits a printed page.

    Args:
        classes: Names.
        runs: How many runs are compared.

    Returns:
        The parts, in order; none without classes.
    """
    most = int(_TALLEST / class_height(runs))
    count = -(-len(classes) // most)
    bounds = [len(classes) * part // count for part in range(count + 1)] if count else []
    return [list(classes[start:end]) for start, end in pairwise(bounds)]


def class_bars(
    values: Mapping[str, ClassValues],
    metric: str = "IoU",
    title: str | None = None,
    path: str | Path | None = None,
    deviations: Mapping[str, ClassValues] | None = None,
) -> str:
    """Horizontal bars per class, one bar per run; of more than six runs, one mark per run.

    Args:
        values: For each run its values in percent by class name; None or a missing class draws
            nothing.
        metric: Name of the metric for the axis. Default ``"IoU"``.
        title: Title. Default None.
        path: File to write besides, PNG or SVG by its suffix. Default None.
        deviations: For runs in ``values`` the standard deviations, drawn as a line of one
            deviation to both sides of the bars' ends (not of marks). Default none.

    Returns:
        The SVG element as text.
    """
    classes = list(dict.fromkeys(name for run in values.values() for name in run))
    bars = len(values) <= MOST_BARS
    thickness = 0.8 / max(len(values), 1)
    names = list(values)
    # Three parts with short names stand side by side on a page.
    width = min(2.85 + 0.07 * max(map(len, classes), default=0), 4.6)
    lines = legend_rows(width, names) if len(values) > 1 else 0
    height = 0.8 + 0.22 * lines + len(classes) * class_height(len(values))

    def draw() -> Figure:
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        positions = np.arange(len(classes))
        for index, (name, run) in enumerate(values.items()):
            lengths = np.array([run.get(item) for item in classes], dtype=np.float64)
            spread = (deviations or {}).get(name, {})
            errors = np.array([spread.get(item) for item in classes], dtype=np.float64)
            style = run_style(index)
            places = positions - 0.4 + thickness * (index + 0.5) if bars else positions
            if bars:
                axes.barh(
                    places, np.nan_to_num(lengths), height=thickness * 0.9,
                    color=style["color"], label=label(name),
                )  # fmt: skip
            else:
                second = index >= len(CYCLE)
                axes.plot(
                    lengths, places, linestyle="", marker=style["marker"], color=style["color"],
                    fillstyle="none" if second else "full", markersize=6, label=label(name),
                    clip_on=False, zorder=3,
                )  # fmt: skip
            if bars and not np.isnan(errors).all():
                axes.errorbar(
                    lengths, places, xerr=errors, fmt="none", ecolor=_ink(axes), elinewidth=1,
                    capsize=1.5,
                )  # fmt: skip
        # There is no room for more beside the bars.
        shown = [each if len(each) <= 40 else f"{each[:37]}..." for each in classes]
        axes.set(xlabel=f"{metric} (%)", xlim=(0, 100), yticks=positions, yticklabels=shown)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        # A mark at zero must not touch the name.
        axes.tick_params(axis="y", length=0, pad=4 if bars else 8)
        axes.grid(axis="x" if bars else "both")
        axes.set_axisbelow(True)
        if len(values) > 1:
            set_legend(figure, names)
        set_title(axes, title)
        return figure

    return render(draw, path, f"{title or 'Classes'}: {metric} per class")


def _ink(axes):
    return axes.xaxis.label.get_color()
