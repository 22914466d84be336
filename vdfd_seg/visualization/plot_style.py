"""What the plots have in common: colours, marks and dashes of the runs, legends, titles."""

from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

# Okabe and Ito, "Color Universal Design", 2008, without black and yellow, which vanish on a dark
# and on a light page: told apart with any colour vision.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# A second round of the colours comes with other marks, and dashed.
MARKERS = "osD^vPX*<>pd"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
_SCALE = "viridis"


def run_style(index: int) -> dict[str, Any]:
    """Colour, mark and dash of the run with this index; 12 runs differ in mark, 18 in the rest."""
    return {
        "color": CYCLE[index % len(CYCLE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index // len(CYCLE) % len(DASHES)],
    }


def cell_colours(value: float) -> tuple[str, str]:
    """Background and text colour of a cell, on the scale of the heat map.

    Args:
        value: Percent.

    Returns:
        Two ``#rrggbb`` colours.
    """
    return to_hex(matplotlib.colormaps[_SCALE](value / 100)), readable_on(value)


def readable_on(value: float) -> str:
    """Black or white, whichever is read better on the scale's colour of a value in percent."""
    # Where black and white have the same contrast to viridis (WCAG 2).
    return "#000000" if value > 43 else "#ffffff"


def set_title(axes: Axes, title: str | None) -> None:
    """Title at the left; none for None."""
    if title:
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")


def label(name: str) -> str:
    """A name that Matplotlib shows in a legend, where it leaves out those that begin with "_"."""
    return f"\u200b{name}" if name.startswith("_") else name


def set_legend(figure: Figure, names: list[str]) -> None:
    """A legend below the axes, in as many columns as fit."""
    figure.legend(
        loc="outside lower center",
        ncols=legend_columns(figure.get_figwidth(), names),
        handlelength=2.6,
    )


def legend_rows(width: float, names: list[str]) -> int:
    """How many lines the legend takes in a figure of this width in inches."""
    return -(-len(names) // legend_columns(width, names))


def legend_columns(width: float, names: list[str]) -> int:
    """How many of the names stand side by side in a figure of this width in inches."""
    columns = int(width * 11 // (max(map(len, names), default=0) + 7))
    return max(1, min(columns, len(names)))
