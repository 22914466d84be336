"""Plots of continual learning as SVG: the result matrix, curves over steps, bars per class.

Figures are built as objects, without pyplot: nothing global is left behind, no display is needed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vdfd_seg.evaluation.functional import Matrix
from vdfd_seg.visualization.svg import render

# Okabe and Ito, "Color Universal Design", 2008, without black: told apart with any colour vision.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1")
MARKERS = "osD^vPX"
_SCALE = "viridis"


def forgetting_heatmap(
    matrix: Matrix, metric: str = "mIoU", title: str | None = None, path: str | Path | None = None
) -> str:
    """The result matrix as a heat map, one row per step, the numbers written in the cells.

    Read a column downwards to see one task being forgotten. The colour scale is viridis (van
    der Walt and Smith, SciPy 2015: even steps of lightness, readable with any colour vision and
    in grey) over 0..100, the same in every plot so that runs compare.

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

    def draw() -> Figure:
        figure = Figure(figsize=(1.7 + 0.46 * columns, 1.1 + 0.4 * rows), layout="constrained")
        axes = figure.add_subplot()
        picture = axes.pcolormesh(
            np.ma.masked_invalid(values), cmap=_SCALE, vmin=0, vmax=100, edgecolors="face"
        )
        for step, task in zip(*np.nonzero(~np.isnan(values)), strict=True):
            axes.text(
                task + 0.5,
                step + 0.5,
                f"{values[step, task]:.1f}",
                ha="center",
                va="center",
                fontsize=9,
                color=_readable_on(values[step, task]),
            )
        axes.set(xlabel="task", ylabel="after step", ylim=(rows, 0))
        axes.set_xticks(np.arange(columns) + 0.5, map(str, range(columns)))
        axes.set_yticks(np.arange(rows) + 0.5, map(str, range(rows)))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            picture,
            ax=axes,
            label=f"{metric} (%)",
            ticks=[0, 25, 50, 75, 100],
            fraction=0.3 / columns,
            aspect=max(10, 2.5 * rows),
        )
        bar.ax.spines["outline"].set_visible(False)
        _title(axes, title)
        return figure

    return render(draw, path, f"{title or 'Result matrix'}: {metric} per task and step")


def step_curves(
    curves: Mapping[str, Sequence[float | None]],
    metric: str = "mIoU",
    title: str | None = None,
    path: str | Path | None = None,
) -> str:
    """Curves over the steps, for instance old, new and all of one run or one of them of several.

    Args:
        curves: Values in percent after step 0, 1, ... by name; None leaves a gap.
        metric: Name of the metric for the axis. Default ``"mIoU"``.
        title: Title. Default None.
        path: File to write besides, PNG or SVG by its suffix. Default None.

    Returns:
        The SVG element as text.
    """

    def draw() -> Figure:
        # The legend stands below, a line for each row of names: room for all but the first two.
        rows = -(-len(curves) // _legend_columns(3.6, list(curves)))
        figure = Figure(figsize=(3.6, 2.8 + 0.2 * max(rows - 2, 0)), layout="constrained")
        axes = figure.add_subplot()
        for index, (name, values) in enumerate(curves.items()):
            axes.plot(
                np.array(values, dtype=np.float64),
                label=_label(name),
                color=CYCLE[index % len(CYCLE)],
                marker=MARKERS[index % len(MARKERS)],
                markersize=5,
                linewidth=1.8,
                clip_on=False,
                zorder=3,
            )
        axes.set(xlabel="step", ylabel=f"{metric} (%)")
        axes.set_ylim(bottom=0)
        last = max(map(len, curves.values()), default=1) - 1
        # A curve that begins late must not move the axis.
        axes.set_xlim(-0.04 * last - 0.02, 1.04 * last + 0.02)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        _legend(figure, list(curves))
        _title(axes, title)
        return figure

    return render(draw, path, f"{title or 'Curves'}: {metric} over steps")


def class_bars(
    values: Mapping[str, Mapping[str, float | None]],
    metric: str = "IoU",
    title: str | None = None,
    path: str | Path | None = None,
) -> str:
    """Horizontal bars per class, one bar per run.

    Args:
        values: For each run its values in percent by class name; None or a missing class draws
            no bar.
        metric: Name of the metric for the axis. Default ``"IoU"``.
        title: Title. Default None.
        path: File to write besides, PNG or SVG by its suffix. Default None.

    Returns:
        The SVG element as text.
    """
    classes = list(dict.fromkeys(name for run in values.values() for name in run))
    thickness = 0.8 / max(len(values), 1)
    height = 1.0 + len(classes) * (0.12 + 0.14 * len(values))

    def draw() -> Figure:
        figure = Figure(figsize=(4.6, height), layout="constrained")
        axes = figure.add_subplot()
        positions = np.arange(len(classes))
        for index, (name, run) in enumerate(values.items()):
            lengths = np.array([run.get(item) for item in classes], dtype=np.float64)
            axes.barh(
                positions - 0.4 + thickness * (index + 0.5),
                np.nan_to_num(lengths),
                height=thickness * 0.9,
                color=CYCLE[index % len(CYCLE)],
                label=_label(name),
            )
        axes.set(xlabel=f"{metric} (%)", xlim=(0, 100), yticks=positions, yticklabels=classes)
        axes.set_ylim(len(classes) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        if len(values) > 1:
            _legend(figure, list(values))
        _title(axes, title)
        return figure

    return render(draw, path, f"{title or 'Classes'}: {metric} per class")


def _title(axes: Axes, title: str | None) -> None:
    if title:
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")


def _label(name: str) -> str:
    # Matplotlib leaves labels that start with an underscore out of the legend.
    return f"\u200b{name}" if name.startswith("_") else name


def _legend(figure: Figure, names: list[str]) -> None:
    columns = _legend_columns(figure.get_figwidth(), names)
    figure.legend(loc="outside lower center", ncols=columns)


def _legend_columns(width: float, names: list[str]) -> int:
    """How many of the names stand side by side in a figure of this width in inches."""
    columns = int(width * 11 // (max(map(len, names), default=0) + 6))
    return max(1, min(columns, len(names)))


def cell_colours(value: float | None) -> tuple[str, str] | None:
    """Background and text colour of a table's cell, on the scale of the heat map.

    Args:
        value: Percent.

    Returns:
        Two ``#rrggbb`` colours; None for None.
    """
    if value is None:
        return None
    background = to_hex(matplotlib.colormaps[_SCALE](value / 100))
    return background, _readable_on(value)


def _readable_on(value: float) -> str:
    # Where black and white have the same contrast to viridis (WCAG 2).
    return "#000000" if value > 43 else "#ffffff"
