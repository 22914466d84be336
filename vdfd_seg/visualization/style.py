"""What the plots have in common: colours and marks of runs, legend, SVG for a page, files."""

import base64
import html
import io
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import matplotlib
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
    "axes.titlesize": 10,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.8,
}


class Plot(NamedTuple):
    """A plot that can be drawn onto the page or into a file.

    Attributes:
        draw: Builds the figure; called under this module's style.
        description: For screen readers.
        title: What stands above it; "" where a heading says it all.
        stem: Name of its files.
        data: What is drawn, as CSV.
    """

    draw: Callable[[], Figure]
    description: str
    title: str = ""
    stem: str = ""
    data: str = ""

    def svg(self, title: str = "") -> str:
        """An SVG element that can stand inside a page; ``title`` is written above the figure.

        Text and axes are written in ``currentColor``: inside a page they follow its light or dark
        scheme; alone they are black. The same figure gives the same text.
        """
        buffer = io.StringIO()
        # Date and creator would make every writing differ; the rest names outside addresses.
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self._write(title, _INK, buffer, format="svg", transparent=True, metadata=metadata)
        svg = buffer.getvalue()
        svg = svg[svg.index("<svg") :].replace(_INK, "currentColor").strip()
        # Inside a page a style sheet and ids would reach beyond this drawing: the style goes to
        # the root, and only the ids that are references (hashes of what they name) stay.
        svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.DOTALL)
        svg = re.sub(r' id="[\w.]*_\d{1,4}"', "", svg)
        label = html.escape(self.description)
        root = f'role="img" aria-label="{label}" style="stroke-linejoin: round"'
        return svg.replace("<svg ", f"<svg {root} ", 1)

    def save(self, path: str | Path) -> None:
        """Write a file with the title, SVG or an image (200 dpi, on white) by its suffix."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix[1:].lower() or "png"
        if kind == "svg":
            atomic_write_text(path, self.svg(self.title) + "\n")
        else:
            options: dict = {"dpi": 200, "facecolor": "white", "format": kind}
            # A picture of pixels has no page to take its colours from.
            atomic_write(path, lambda file: self._write(self.title, "black", file, **options))

    def data_link(self) -> str:
        """A link that holds the data."""
        return f"data:text/csv;base64,{base64.b64encode(self.data.encode()).decode('ascii')}"

    def _write(self, title: str, ink: str, file: IO, **options: Any) -> None:
        style: dict = {**_STYLE, **dict.fromkeys(_INKED, ink)}
        with matplotlib.rc_context(style), warnings.catch_warnings():
            # Text stays text: who reads the page has the fonts, not Matplotlib.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure = self.draw()
            figure.text(0, 1.03, title, fontsize=11, fontweight="bold")
            # Names of any length have room: a figure's size is that of what it shows without them.
            figure.savefig(file, bbox_inches="tight", pad_inches=0.05, **options)


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


def add_legend(figure: Figure, handles: Mapping[str, Any]) -> None:
    """One legend for all axes of a figure, above them; what stands for each name is given."""
    # It is read before the first panel, also where the screen shows no more than that.
    figure.legend(handles.values(), handles, loc="outside upper left", ncols=3, handlelength=2.6)
    figure.set_figheight(figure.get_figheight() + 0.22 * -(-len(handles) // 3))


def shortened(name: str, most: int = 40) -> str:
    """A name for which a plot has room."""
    return name if len(name) <= most else f"{name[: most - 3]}..."
