"""From a figure to an SVG element for a page, or to a file."""

import html
import io
import re
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from vdfd_seg.files import atomic_write, atomic_write_text

# Stands for the page's text colour until the figure is written; used for nothing else.
_INK = "#123457"
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
_INKED = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")


def render(
    draw: Callable[[], Figure], path: str | Path | None = None, description: str = ""
) -> str:
    """Draw a figure as an SVG element that can stand inside a page.

    Text and axes are written in ``currentColor``: inside a page they take the page's colour and so
    follow its light or dark scheme; alone they are black. The same figure gives the same text.

    Args:
        draw: Builds the figure; called once for each file format, under this module's style.
        path: File to write besides, PNG or SVG by its suffix. Default None.
        description: What a screen reader says. Default "".

    Returns:
        The SVG element as text.
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
    style: dict = {**_STYLE, **dict.fromkeys(_INKED, ink), "grid.color": ink}
    return matplotlib.rc_context(style)
