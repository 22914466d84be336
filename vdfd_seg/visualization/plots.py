"""Plots of continual learning as SVG: the result matrix, curves over steps, values of classes.

Every function takes ``title`` (default none) and ``path``, a file to write as well (PNG or SVG by
its suffix, default none), and returns the SVG element as text. Values are in percent.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdfd_seg.evaluation.functional import Matrix
from vdfd_seg.visualization.style import (
    CYCLE,
    canvas,
    label,
    legend_rows,
    readable_on,
    render,
    run_style,
    set_legend,
)

Values = Sequence[float | None]
ClassValues = Mapping[str, float | None]

# From here on cells are small and numbers without decimals, so that 20 tasks fit half a page.
_MANY_TASKS = 11
# More runs than colours: bars would be a forest, a class then has one line with a mark a run.
MOST_BARS = len(CYCLE)
# Inches. A part fits a page of A4 or letter under the legend.
_TALLEST = 7.6


def forgetting_heatmap(
    matrix: Matrix, metric: str = "mIoU", title: str | None = None, path: str | Path | None = None
) -> str:
    """The result matrix as a heat map, one row per step, the numbers written in the cells.

    Read a column downwards to see one task being forgotten. The colour scale is viridis (van
    der Walt and Smith, SciPy 2015) over 0..100 in every plot. With more than ten tasks the numbers
    are rounded to whole percents.

    Args:
        matrix: ``R[i][j]``, None above the diagonal and where unknown.
        metric: Name of the metric for the scale. Default ``"mIoU"``.
        title, path: See above.
    """
    values = np.full((len(matrix), len(matrix)), np.nan)
    for step, row in enumerate(matrix):
        values[step, : len(row)] = np.array(row[: len(matrix)], dtype=np.float64)
    count = len(values)
    many = count >= _MANY_TASKS
    side, digits, size = ((0.21, 0.21), 0, 7.5) if many else ((0.46, 0.4), 1, 9)
    width, height = (1.25 if many else 1.7) + side[0] * count, 1.1 + side[1] * count

    def draw() -> Figure:
        figure, axes = canvas(width, height, title)
        picture = axes.pcolormesh(
            np.ma.masked_invalid(values), cmap="viridis", vmin=0, vmax=100, edgecolors="face"
        )
        for step, task in zip(*np.nonzero(~np.isnan(values))):
            axes.text(
                task + 0.5, step + 0.5, f"{values[step, task]:.{digits}f}", ha="center",
                va="center", fontsize=size, color=readable_on(values[step, task]),
            )  # fmt: skip
        axes.set(xlabel="task", ylabel="after step", ylim=(count, 0))
        axes.set_xticks(np.arange(count) + 0.5, map(str, range(count)))
        axes.set_yticks(np.arange(count) + 0.5, map(str, range(count)))
        axes.tick_params(length=0, labelsize=7.5 if many else None)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            picture, ax=axes, label=f"{metric} (%)", ticks=[0, 25, 50, 75, 100],
            fraction=0.3 / count, pad=0.15 / width, aspect=max(10, 2.5 * count),
        )  # fmt: skip
        bar.ax.spines["outline"].set_visible(False)
        return figure

    return render(draw, path, f"{title or 'Result matrix'}: {metric} per task and step")


def step_curves(
    curves: Mapping[str, Values],
    metric: str = "mIoU",
    title: str | None = None,
    path: str | Path | None = None,
    deviations: Mapping[str, Values] | None = None,
) -> str:
    """Curves over the steps, for instance old, new and all of one run or one of them of several.

    Args:
        curves: Values after step 0, 1, ... by name; None leaves a gap.
        metric: Name of the metric for the axis. Default ``"mIoU"``.
        title, path: See above.
        deviations: For names in ``curves`` the standard deviations of their values: a band of one
            deviation to both sides. Default none.
    """
    names = list(curves)
    last = max(map(len, curves.values()), default=1) - 1
    width = 3.6 if last < 10 else 5.2

    # The legend stands below, a line for each row of names: room for all but the first two.
    height = 2.8 + 0.2 * max(legend_rows(width, names) - 2, 0)

    def draw() -> Figure:
        figure, axes = canvas(width, height, title)
        for index, (name, values) in enumerate(curves.items()):
            middle = np.array(values, dtype=np.float64)
            style = run_style(index)
            spread = np.array((deviations or {}).get(name) or [None], dtype=np.float64)
            if not np.isnan(spread).all():
                axes.fill_between(
                    np.arange(len(middle)), np.maximum(middle - spread, 0), middle + spread,
                    color=style["color"], alpha=0.18, linewidth=0,
                )  # fmt: skip
            axes.plot(
                middle, label=label(name), markersize=5, linewidth=1.8, clip_on=False, zorder=3,
                # Marks of several curves with many steps would hide the lines.
                markevery=1 if last < 10 else (index % 3, 3),
                **style,
            )  # fmt: skip
        axes.set(xlabel="step", ylabel=f"{metric} (%)")
        # The bands included; never beyond what percents can be.
        top = axes.dataLim.y1
        axes.set_ylim(0, min(1.06 * top, 102) if top > 0 else 1)
        # A curve that begins late must not move the axis.
        axes.set_xlim(-0.04 * last - 0.02, 1.04 * last + 0.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        set_legend(figure, names)
        return figure

    return render(draw, path, f"{title or 'Curves'}: {metric} over steps")


def class_height(runs: int) -> float:
    """Inches that one class takes in :func:`class_bars`."""
    return 0.12 + 0.14 * runs if runs <= MOST_BARS else 0.3


def class_parts(classes: Sequence[str], runs: int) -> list[list[str]]:
    """Classes in parts of about the same number, such that each part's plot fits a printed page."""
    count = -(-len(classes) // int(_TALLEST / class_height(runs)))
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
        values: For each run its values by class name; None or a missing class draws nothing.
        metric: Name of the metric for the axis. Default ``"IoU"``.
        title, path: See above.
        deviations: For runs in ``values`` the standard deviations, drawn as a line of one
            deviation to both sides of the bars' ends (not of marks). Default none.
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
        figure, axes = canvas(width, height, title)
        positions = np.arange(len(classes))
        for index, (name, run) in enumerate(values.items()):
            lengths = np.array([run.get(item) for item in classes], dtype=np.float64)
            style = run_style(index)
            if not bars:
                axes.plot(
                    lengths, positions, linestyle="", marker=style["marker"], color=style["color"],
                    fillstyle="none" if index >= len(CYCLE) else "full", markersize=6,
                    label=label(name), clip_on=False, zorder=3,
                )  # fmt: skip
                continue
            places = positions - 0.4 + thickness * (index + 0.5)
            axes.barh(
                places, np.nan_to_num(lengths), height=thickness * 0.9, color=style["color"],
                label=label(name),
            )  # fmt: skip
            spread = (deviations or {}).get(name, {})
            errors = np.array([spread.get(item) for item in classes], dtype=np.float64)
            if not np.isnan(errors).all():
                axes.errorbar(
                    lengths, places, xerr=errors, fmt="none", elinewidth=1, capsize=1.5,
                    ecolor=axes.xaxis.label.get_color(),
                )  # fmt: skip
        # There is no room for more next to the bars.
        shown = [each if len(each) <= 40 else f"{each[:37]}..." for each in classes]
        axes.set(xlabel=f"{metric} (%)", xlim=(0, 100), yticks=positions, yticklabels=shown)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        # A mark at zero must not touch the name.
        axes.tick_params(axis="y", length=0, pad=4 if bars else 8)
        axes.grid(axis="x" if bars else "both")
        axes.set_axisbelow(True)
        if len(values) > 1:
            set_legend(figure, names)
        return figure

    return render(draw, path, f"{title or 'Classes'}: {metric} per class")
