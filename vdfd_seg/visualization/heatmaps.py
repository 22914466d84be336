"""Matrices in percent as SVG, the numbers written in the cells.

Every function takes ``title`` (default none) and ``path``, a file to write as well (PNG or SVG by
its suffix, default none), and returns the SVG element as text. The colour scale is viridis (van der
Walt and Smith, SciPy 2015) over 0..100 in every plot.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from vdfd_seg.evaluation.measures import Matrix
from vdfd_seg.visualization.style import canvas, readable_on, render

# From here on cells are small and numbers without decimals, so that 20 tasks fit half a page.
_MANY = 11
# From here on there is no room for numbers and names.
_TOO_MANY = 41


def forgetting_heatmap(
    matrix: Matrix, metric: str = "mIoU", title: str | None = None, path: str | Path | None = None
) -> str:
    """The result matrix as a heat map, one row per step.

    Read a column downwards to see one task being forgotten. With more than ten tasks the numbers
    are rounded to whole percents.

    Args:
        matrix: ``R[i][j]``, None above the diagonal and where unknown.
        metric: Name of the metric for the scale. Default ``"mIoU"``.
        title, path: See above.
    """
    values = np.full((len(matrix), len(matrix)), np.nan)
    for step, row in enumerate(matrix):
        values[step, : len(row)] = np.array(row[: len(matrix)], dtype=np.float64)
    names = [str(number) for number in range(len(values))]

    def draw() -> Figure:
        return _drawn(values, names, ("task", "after step"), f"{metric} (%)", title)

    return render(draw, path, f"{title or 'Result matrix'}: {metric} per task and step")


def confusion_heatmap(
    confusion: np.ndarray,
    classes: Sequence[str],
    title: str | None = None,
    path: str | Path | None = None,
) -> str:
    """A confusion matrix as a heat map: of each true class the share predicted as each class.

    Args:
        confusion: ``(C, C)`` counts, rows are true classes. A row without any stays empty.
        classes: The ``C`` names.
        title, path: See above. With more than 40 classes names and numbers are left out.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    total = confusion.sum(axis=1, keepdims=True)
    values = 100 * np.divide(confusion, total, out=np.full_like(confusion, np.nan), where=total > 0)

    def draw() -> Figure:
        axes = ("predicted class", "true class")
        return _drawn(values, list(classes), axes, "share of the true class (%)", title)

    return render(draw, path, f"{title or 'Confusion matrix'}: true and predicted classes")


def _drawn(
    values: np.ndarray, names: list[str], axis_names: tuple[str, str], scale: str, title: str | None
) -> Figure:
    count, many, numbered = len(values), len(values) >= _MANY, len(values) < _TOO_MANY
    longest = max(map(len, names)) if numbered else 0
    side, digits, size = ((0.21, 0.21), 0, 7.5) if many else ((0.46, 0.4), 1, 9)
    if not numbered:
        side = (8 / count, 8 / count)
    margin = 0.07 * max(longest - 2, 0)
    width = (1.25 if many else 1.7) + margin + side[0] * count
    height = 1.1 + margin + side[1] * count
    figure, axes = canvas(width, height, title)
    picture = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap="viridis", vmin=0, vmax=100, edgecolors="face"
    )
    for row, column in zip(*np.nonzero(~np.isnan(values))) if numbered else ():
        value = values[row, column]
        axes.text(
            column + 0.5, row + 0.5, f"{value:.{digits}f}", ha="center", va="center",
            fontsize=size, color=readable_on(value),
        )  # fmt: skip
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], ylim=(count, 0))
    ticks, shown = np.arange(count) + 0.5, names
    if not numbered:
        ticks, shown = ticks[:0], []
    axes.set_xticks(ticks, shown, rotation=90 if longest > 2 else 0)
    axes.set_yticks(ticks, shown)
    axes.tick_params(length=0, labelsize=7.5 if many else None)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(
        picture, ax=axes, label=scale, ticks=[0, 25, 50, 75, 100],
        fraction=0.3 / count, pad=0.15 / width, aspect=max(10, 2.5 * count),
    )  # fmt: skip
    bar.ax.spines["outline"].set_visible(False)
    return figure
