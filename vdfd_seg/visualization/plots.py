"""Plots of continual learning as SVG: curves over steps, values of classes, spread over orders.

Every function takes ``title`` (default none) and ``path``, a file to write as well (PNG or SVG by
its suffix, default none), and returns the SVG element as text. Values are in percent.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdfd_seg.visualization.style import (
    CYCLE,
    canvas,
    label,
    legend_rows,
    render,
    run_style,
    set_legend,
)

Values = Sequence[float | None]
ClassValues = Mapping[str, float | None]

# More runs than colours: bars would be a forest, a class then has one line with a mark a run.
MOST_BARS = len(CYCLE)
# Inches. A part fits a page of A4 or letter under the legend.
_TALLEST = 7.6


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


def order_spread(
    values: Mapping[str, Values],
    metric: str = "mIoU",
    title: str | None = None,
    path: str | Path | None = None,
) -> str:
    """A line per method: a mark for every order of the classes, their mean, and one deviation.

    The deviation is the sample standard deviation over the orders, to both sides of the mean.

    Args:
        values: For each method its values, one an order.
        metric: Name of the metric for the axis. Default ``"mIoU"``.
        title, path: See above.
    """
    names = list(values)
    width = 3.6 + 0.07 * max(map(len, names), default=0)

    def draw() -> Figure:
        figure, axes = canvas(width, 0.8 + 0.4 * len(names), title)
        ink = axes.xaxis.label.get_color()
        for index, run in enumerate(values.values()):
            found, style = np.array(run, dtype=np.float64), run_style(index)
            axes.plot(
                found, np.full(len(found), index), linestyle="", marker=style["marker"],
                color=style["color"], markersize=5, alpha=0.7, clip_on=False,
            )  # fmt: skip
            deviation = found.std(ddof=1) if len(found) > 1 else 0.0
            axes.errorbar(
                found.mean(), index + 0.25, xerr=deviation, fmt="|", color=ink, elinewidth=1,
                capsize=2.5, markersize=8,
            )  # fmt: skip
        axes.set(xlabel=f"{metric} (%)", yticks=range(len(names)), yticklabels=names)
        axes.set_ylim(len(names) - 0.4, -0.4)
        axes.tick_params(axis="y", length=0, pad=8)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        return figure

    return render(draw, path, f"{title or 'Orders'}: {metric} of every order")
