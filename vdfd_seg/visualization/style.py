"""What the plots have in common: runs' colours and marks, legends, titles, SVG for a page."""

import html
import io
import re
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from vdfd_seg.utils.files import atomic_write, atomic_write_text

# Okabe and Ito, "Color Universal Design", 2008, without black and yellow, which vanish on a dark
# and on a light page: told apart with any colour vision.
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# A second round of the colours comes with other marks, and dashed.
MARKERS = "osD^vPX*<>pd"
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))

# Stands for the page's text colour until the figure is written; used for nothing else.
_INK = "#123457"
_INKED = (
    "text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "grid.color",
)  # fmt: skip
_STYLE = {
    # Letters stay text: searchable, and small files.
    "svg.fonttype": "none",
    # Ids of clip paths are otherwise random, and the same report would differ at each writing.
    "svg.hashsalt": "vdfd_seg",
    # Class and method names are names, never formulas.
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.8,
}


def render(
    draw: Callable[[], Figure], path: str | Path | None = None, description: str = ""
) -> str:
    """Draw a figure as an SVG element that can stand inside a page.

    Text and axes are written in ``currentColor``: inside a page they follow its light or dark
    scheme; alone they are black. The same figure gives the same text.

    Args:
        draw: Builds the figure; called once for each file format, under this module's style.
        path: File to write as well, PNG (200 dpi, on white) or SVG by its suffix. Default None.
        description: For screen readers. Default "".
    """
    with _style(_INK), warnings.catch_warnings():
        # Text stays text: who reads the page has the fonts, not Matplotlib.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        buffer = io.StringIO()
        # Date and creator would make every writing differ; the rest names outside addresses.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        draw().savefig(buffer, format="svg", transparent=True, metadata=metadata)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor").strip()
    # Inside a page a style sheet and ids would reach beyond this drawing: the style goes to the
    # root, and only the ids that are references (hashes of what they name) stay.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r' id="[\w.]*_\d{1,4}"', "", svg)
    root = f'role="img" aria-label="{html.escape(description)}" style="stroke-linejoin: round"'
    svg = svg.replace("<svg ", f"<svg {root} ", 1)
    if path is not None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".svg":
            atomic_write_text(path, svg + "\n")
        else:
            # A picture of pixels has no page to take its colours from: drawn again, in black.
            with _style("black"):
                figure = draw()
            kind = path.suffix[1:].lower() or None
            atomic_write(
                path, lambda file: figure.savefig(file, dpi=200, facecolor="white", format=kind)
            )
    return svg


def _style(ink: str) -> AbstractContextManager[None]:
    style: dict = {**_STYLE, **dict.fromkeys(_INKED, ink)}
    return matplotlib.rc_context(style)


def run_style(index: int) -> dict[str, Any]:
    """Colour, mark and dash of the run with this index; 12 runs differ in mark, 18 in the rest."""
    return {
        "color": CYCLE[index % len(CYCLE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index // len(CYCLE) % len(DASHES)],
    }


def cell_colours(value: float) -> tuple[str, str]:
    """``#rrggbb`` of background and text of a cell, on the heat map's scale; value in percent."""
    return to_hex(matplotlib.colormaps["viridis"](value / 100)), readable_on(value)


def readable_on(value: float) -> str:
    """Black or white, whichever is read better on the scale's colour of a value in percent."""
    # Where black and white have the same contrast to viridis (WCAG 2).
    return "#000000" if value > 43 else "#ffffff"


def canvas(width: float, height: float, title: str | None) -> tuple[Figure, Axes]:
    """A figure of this size in inches with axes, and a title at the left; none for None."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    if title:
        axes.set_title(title, fontsize=11, loc="left", fontweight="bold")
    return figure, axes


def label(name: str) -> str:
    """A name that Matplotlib shows in a legend, where it leaves out those that begin with "_"."""
    return f"\u200b{name}" if name.startswith("_") else name


def set_legend(figure: Figure, names: list[str]) -> None:
    """A legend below the axes, in as many columns as fit."""
    columns = legend_columns(figure.get_figwidth(), names)
    figure.legend(loc="outside lower center", ncols=columns, handlelength=2.6)


def legend_rows(width: float, names: list[str]) -> int:
    """How many lines the legend takes in a figure of this width in inches."""
    return -(-len(names) // legend_columns(width, names))


def legend_columns(width: float, names: list[str]) -> int:
    """How many of the names stand side by side in a figure of this width in inches."""
    columns = int(width * 11 // (max(map(len, names), default=0) + 7))
    return max(1, min(columns, len(names)))
