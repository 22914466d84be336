"""Plots of continual learning: matrices, curves over steps, values side by side.

Values are in percent; those over seeds are pairs of mean and standard deviation, None where
unknown. Every function gives the figure of a :class:`~vdfd_seg.visualization.style.Plot`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdfd_seg.evaluation.groups import Pair
from vdfd_seg.visualization.style import CYCLE, add_legend, readable_on, run_style, shortened
from vdfd_seg.visualization.tables import Table

# From here on cells are small and numbers without decimals, so that 20 tasks fit half a page.
_MANY = 11
# From here on there is no room for numbers and names.
_TOO_MANY = 41
# Inches. A column of marks fits a page of A4 or letter.
_TALLEST = 7.6
COLUMNS = 3
"""How many columns of marks stand side by side on a page."""


def heatmap(
    values: np.ndarray,
    columns: Sequence[str],
    rows: Sequence[str],
    axis_names: tuple[str, str],
    smallest: float = 0.0,
    blocks: Mapping[str, int] | None = None,
) -> Figure:
    """A square matrix in percent, the numbers written in its cells.

    The colour scale is viridis (van der Walt and Smith, SciPy 2015) over 0..100 in every plot.
    With more than ten rows the numbers are rounded to whole percents; with more than 40 names and
    numbers are left out, and a scale stands next to the matrix instead.

    Args:
        values: ``(N, N)``, NaN where a cell is empty.
        columns, rows: The ``N`` names of either.
        axis_names: What the columns and the rows are.
        smallest: Numbers below it are not written. Default 0.
        blocks: Names of blocks of rows and how many rows each has: where the rows have no room
            for names, these are named and divided by lines. Default none.
    """
    count = len(values)
    numbered = count < _TOO_MANY
    side, size, digits = (0.44, 9, 1) if count < _MANY else (0.22, 7.5, 0)
    side = side if numbered else 5 / count
    figure = Figure(figsize=(side * count, side * count))
    axes = figure.add_axes((0, 0, 1, 1))
    picture = axes.imshow(
        np.ma.masked_invalid(values), "viridis", vmin=0, vmax=100, interpolation="none"
    )
    for row, column in zip(*np.nonzero(values >= smallest)) if numbered else ():
        value = values[row, column]
        axes.text(
            column, row, f"{value:.{digits}f}", ha="center", va="center", fontsize=size,
            color=readable_on(value),
        )  # fmt: skip
    if numbered:
        axes.set_xticks(range(count), [shortened(name, 20) for name in columns])
        axes.set_yticks(range(count), [shortened(name, 20) for name in rows])
    elif blocks:
        edges = np.cumsum([0, *blocks.values()]) - 0.5
        for tick in (axes.set_xticks, axes.set_yticks):
            tick((edges[:-1] + edges[1:]) / 2, [shortened(name, 20) for name in blocks])
        for line in (axes.axhline, axes.axvline):
            for edge in edges[1:-1]:
                line(edge, color="white", linewidth=0.6)
    axes.tick_params(length=0, labelsize=8)
    axes.tick_params(axis="x", labelrotation=45)
    for name in axes.get_xticklabels():
        name.set(ha="right", rotation_mode="anchor")
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1])
    axes.spines[:].set_visible(False)
    if not numbered:
        scale = figure.colorbar(picture, ax=axes, label="%", fraction=0.03, pad=0.02)
        scale.outline.set_visible(False)
    return figure


def step_curves(panels: Mapping[str, Mapping[str, Sequence[Pair]]], metric: str) -> Figure:
    """Curves over the steps, in panels side by side that share their axes and one legend.

    Where there are deviations, a band reaches one of them to both sides of the curve.

    Args:
        panels: For each title the values after step 0, 1, ... by the curve's name.
        metric: Name of the metric for the axis.
    """
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    handles = {}
    last = max(len(pairs) for curves in panels.values() for pairs in curves.values()) - 1
    width = 2.7 * len(panels) + 0.5 if len(panels) > 1 else 5.2
    figure = Figure(figsize=(width, 2.7), layout="constrained")
    every = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, curves) in zip(every, panels.items()):
        for name, pairs in curves.items():
            middle, deviation = np.array(pairs, dtype=np.float64).T
            index = names.index(name)
            style = run_style(index)
            if not np.isnan(deviation).all():
                axes.fill_between(
                    np.arange(len(middle)), np.maximum(middle - deviation, 0), middle + deviation,
                    color=style["color"], alpha=0.18, linewidth=0,
                )  # fmt: skip
            (handles[name],) = axes.plot(
                middle, markersize=5, linewidth=1.8, clip_on=False, zorder=3,
                # Marks of several curves with many steps would hide the lines.
                markevery=1 if last < 10 else (index % 3, 3),
                **style,
            )  # fmt: skip
        axes.set_title(title, loc="left")
        axes.set_xlabel("after step")
        axes.grid(axis="y")
    every[0].set_ylabel(f"{metric} (%)")
    # The bands included; never beyond what percents can be.
    top = max(axes.dataLim.y1 for axes in every)
    every[0].set_ylim(0, min(1.06 * top, 102) if top > 0 else 1)
    # A curve that starts late must not move the axis.
    every[0].set_xlim(-0.04 * last - 0.02, 1.04 * last + 0.02)
    every[0].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    add_legend(figure, handles)
    return figure


def marks(table: Table, metric: str) -> Figure:
    """A line for each row with a mark for every run, in columns that share axis and legend.

    A thin line reaches from 0 to each mark; a deviation to both sides of it where there is one.

    Args:
        table: A row for each line, usually a class; a column for each run.
        metric: Name of the metric for the axis.
    """
    runs, names = len(table.columns), [shortened(name) for name in table.rows]
    count = -(-len(names) // most_rows(runs))
    rows = -(-len(names) // count)
    width = count * ((2.2 if count > 1 else 4) + 0.075 * max(map(len, names)))
    figure = Figure(figsize=(width, 0.6 + rows * _TALLEST / most_rows(runs)), layout="constrained")
    every = figure.subplots(1, count, sharex=True, squeeze=False)[0]
    handles = {}
    for column, axes in enumerate(every):
        part = slice(column * rows, (column + 1) * rows)
        lines = np.arange(len(names[part]))
        for index, (name, pairs) in enumerate(table.columns.items()):
            middle, deviation = np.array(pairs[part], dtype=np.float64).T
            places = lines + 0.7 * ((index + 0.5) / runs - 0.5)
            style = run_style(index)
            axes.hlines(places, 0, middle, color=style["color"], linewidth=1, alpha=0.5)
            handles[name] = axes.errorbar(
                middle, places, xerr=None if np.isnan(deviation).all() else deviation,
                linestyle="", marker=style["marker"], color=style["color"], markersize=4.5,
                fillstyle="none" if index >= len(CYCLE) else "full", elinewidth=1, capsize=1.5,
                clip_on=False, zorder=3,
            )  # fmt: skip
        axes.set(
            xlabel=f"{metric} (%)", xlim=(0, 101), ylim=(rows - 0.5, -0.5), yticks=lines,
            yticklabels=names[part],
        )  # fmt: skip
        # A mark at zero must not touch the name.
        axes.tick_params(axis="y", length=0, pad=8)
        axes.grid(axis="x")
    if runs > 1:
        add_legend(figure, handles)
    return figure


def most_rows(runs: int) -> int:
    """How many rows of a table one column of :func:`marks` takes."""
    return max(1, int(_TALLEST / (0.14 + 0.06 * runs)))
