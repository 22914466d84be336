"""Plots of continual learning as SVG: the result matrix and curves over steps.

Figures are built as objects, without pyplot: nothing global is left behind, no display is needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdfd_seg.evaluation.functional import Matrix
from vdfd_seg.visualization.plot_style import (
    label,
    legend_rows,
    readable_on,
    run_style,
    set_legend,
    set_title,
)
from vdfd_seg.visualization.svg import render

Values = Sequence[float | None]

# From here on cells are small and numbers without decimals, so that 20 tasks fit half a page.
_MANY_TASKS = 11


def forgetting_heatmap(
    matrix: Matrix, metric: str = "mIoU", title: str | None = None, path: str | Path | None = None
) -> str:
    """The result matrix as a heat map, one row per step, the numbers written in the cells.

    Read a column downwards to see one task being forgotten. The colour scale is viridis (van
    der Walt and Smith, SciPy 2015: even steps of lightness, readable with any colour vision and
    in grey) over 0..100, the same in every plot so that runs compare. With more than ten tasks the
    numbers are rounded to whole percents.

    Args:
        matrix: ``R[i][j]`` in percent, None above the diagonal and where unknown.
        metric: Name of the metric for the scale. Default ``"mIoU"``.
        title: Title. Default None.
        path: File to write besides, PNG or SVG by its suffix. Default None.

    Returns:
        The SVG element as text.
    """
    columns = max(len(row) for row in matrix)
    values: np.ndarray = np.full((len(matrix), columns), np.nan)
    for step, row in enumerate(matrix):
        values[step, : len(row)] = np.array(row, dtype=np.float64)
    values = values[:, : len(matrix)]
    rows, columns = values.shape
    many = columns >= _MANY_TASKS
    side, digits, size = ((0.21, 0.21), 0, 7.5) if many else ((0.46, 0.4), 1, 9)
    width, height = (1.25 if many else 1.7) + side[0] * columns, 1.1 + side[1] * rows

    def draw() -> Figure:
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        picture = axes.pcolormesh(
            np.ma.masked_invalid(values), cmap="viridis", vmin=0, vmax=100, edgecolors="face"
        )
        for step, task in zip(*np.nonzero(~np.isnan(values)), strict=True):
            axes.text(
                task + 0.5,
                step + 0.5,
                f"{values[step, task]:.{digits}f}",
                ha="center",
                va="center",
                fontsize=size,
                color=readable_on(values[step, task]),
            )
        axes.set(xlabel="task", ylabel="after step", ylim=(rows, 0))
        axes.set_xticks(np.arange(columns) + 0.5, map(str, range(columns)))
        axes.set_yticks(np.arange(rows) + 0.5, map(str, range(rows)))
        axes.tick_params(length=0, labelsize=7.5 if many else None)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            picture,
            ax=axes,
            label=f"{metric} (%)",
            ticks=[0, 25, 50, 75, 100],
            fraction=0.3 / columns,
            pad=0.15 / width,
            aspect=max(10, 2.5 * rows),
        )
        bar.ax.spines["outline"].set_visible(False)
        set_title(axes, title)
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
        curves: Values in percent after step 0, 1, ... by name; None leaves a gap.
        metric: Name of the metric for the axis. Default ``"mIoU"``.
        title: Title. Default None.
        path: File to write besides, PNG or SVG by its suffix. Default None.
        deviations: For names in ``curves`` the standard deviations of their values: a band of one
            deviation to both sides. Default none.

    Returns:
        The SVG element as text.
    """
    names = list(curves)
    last = max(map(len, curves.values()), default=1) - 1
    width = 3.6 if last < 10 else 5.2

    def draw() -> Figure:
        # The legend stands below, a line for each row of names: room for all but the first two.
        height = 2.8 + 0.2 * max(legend_rows(width, names) - 2, 0)
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
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
        set_title(axes, title)
        return figure

    return render(draw, path, f"{title or 'Curves'}: {metric} over steps")
