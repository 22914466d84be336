"""Runs are told apart, with any colour vision and without colour; figures as SVG and as files."""

from functools import partial
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from vdfd_seg.visualization.plots import heatmap, marks, step_curves
from vdfd_seg.visualization.style import CYCLE, Plot, cell_colours, run_style
from vdfd_seg.visualization.tables import Table

# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", 2009: severity 1, on linear RGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x = XYZ @ np.clip(rgb, 0, 1) / (0.9505, 1, 1.089)
    f = np.where(x > 0.008856, np.cbrt(x), 7.787 * x + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one, other):
    a, b = sorted((XYZ @ linear(colour))[1] + 0.05 for colour in (one, other))
    return b / a


@pytest.mark.parametrize("vision", VISIONS)
def test_colours_of_runs_differ_with_any_colour_vision(vision):
    seen = [lab(np.array(VISIONS[vision]) @ linear(colour)) for colour in CYCLE]
    # CIE 1976; about 2.3 is just noticed.
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 15


def test_colours_of_runs_stand_out_from_both_papers():
    for colour in CYCLE:
        assert contrast(colour, "#ffffff") > 2.2
        assert contrast(colour, "#14181d") > 3


def test_runs_of_one_colour_have_another_mark_and_dash():
    styles = [run_style(index) for index in range(12)]
    assert len({style["marker"] for style in styles}) == 12
    assert len({(style["color"], style["linestyle"]) for style in styles}) == 12


def test_numbers_are_readable_on_every_colour_of_the_scale():
    assert min(contrast(*cell_colours(value)) for value in range(101)) >= 4.5


FIGURES = [
    partial(heatmap, np.array([[50.0]]), ["task"], ["0"], ("task", "after step")),
    partial(step_curves, {"old": {"mib": [(80.0, 2.0), (60.0, 3.0)]}}, "mIoU"),
    partial(marks, Table("", "class", ["cat"], {"a": [(1.0, None)], "b": [(2.0, 1.0)]}), "IoU"),
]


def test_drawn_again_the_same_text_and_no_global_state():
    before = dict(matplotlib.rcParams)
    plots = [Plot(draw, "") for draw in FIGURES]
    assert [plot.svg() for plot in plots] == [plot.svg() for plot in plots]
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("draw", FIGURES)
def test_svg_reaches_for_nothing_that_it_does_not_hold(draw):
    root = ElementTree.fromstring(Plot(draw, "what it shows").svg())
    assert root.get("aria-label") == "what it shows"
    ids = {f"#{element.get('id')}" for element in root.iter()}
    for name, value in (pair for element in root.iter() for pair in element.attrib.items()):
        if name.endswith("href"):
            assert value in ids or value.startswith("data:image/png;")
        if "url(" in value:
            assert value[4:-1] in ids
