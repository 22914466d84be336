from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from vdfd_seg.visualization import (
    class_bars,
    confusion_heatmap,
    forgetting_heatmap,
    order_spread,
    step_curves,
)
from vdfd_seg.visualization.plots import class_height, class_parts

MATRIX = [[91.2, None, None], [62.5, 70.3, None], [40.1, 55.6, 80.9]]


def draw():
    return [
        forgetting_heatmap(MATRIX),
        step_curves({"old": [80.0, 60.0], "new": [None, 20.0]}),
        class_bars({"vdfd": {"cat": 50.0, "dog": None}, "mib": {"cat": 30.0}}),
    ]


@pytest.fixture(scope="module")
def plots():
    return draw()


@pytest.mark.parametrize("index", range(3))
def test_is_one_svg_element_that_reaches_for_nothing(plots, index):
    svg = plots[index]
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "<style" not in svg and "currentColor" in svg
    ids = {f"#{element.get('id')}" for element in root.iter()}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name.endswith("href"):
                assert value in ids or value.startswith("data:image/png;")
            if "url(" in value:
                assert value[4:-1] in ids


def test_heatmap_writes_the_numbers_it_knows(plots):
    ragged = forgetting_heatmap([row[: step + 1] for step, row in enumerate(MATRIX)])
    for svg in (plots[0], ragged):
        assert all(f">{value}<" in svg for row in MATRIX for value in row if value is not None)
        assert "nan" not in svg
    assert ">70.0<" in forgetting_heatmap([[70.0]])
    assert "vdfd" in step_curves({"vdfd": [70.0]})


def test_confusion_is_in_shares_of_the_true_class(tmp_path):
    svg = confusion_heatmap([[3, 1], [0, 0]], ["cat", "dog"])
    assert all(f">{text}<" in svg for text in ("75.0", "25.0", "cat", "dog", "true class"))
    assert ">0.0<" not in svg and "nan" not in svg
    # No room for numbers and names.
    many = confusion_heatmap(np.eye(60), list(map(str, range(60))))
    assert ">100<" in many and ">59<" not in many


def test_an_order_is_a_mark():
    svg = order_spread({"mib": [40.0, 60.0], "vdfd": [50.0, 55.0, 60.0]})
    assert all(f">{name}<" in svg for name in ("mib", "vdfd", "mIoU (%)"))


def test_names_are_shown_as_they_are():
    name = "_a $x^2$ <b> & c"
    for svg in (step_curves({name: [1.0, 2.0]}), class_bars({name: {"k": 1.0}, "b": {name: 2.0}})):
        text = " ".join(ElementTree.fromstring(svg).itertext())
        assert "a $x^2$ <b> & c" in text


def test_saves_png_and_svg(tmp_path):
    for suffix in ("png", "svg"):
        path = tmp_path / suffix / f"plot.{suffix}"
        svg = forgetting_heatmap(MATRIX, title="vdfd", path=path)
        assert "currentColor" in svg
        assert path.exists()
    assert (tmp_path / "svg" / "plot.svg").read_text().strip() == svg
    with Image.open(tmp_path / "png" / "plot.png") as image:
        assert image.width > 300


def test_drawn_again_the_same_text_and_no_global_state(plots):
    before = dict(matplotlib.rcParams)
    assert draw() == plots
    assert dict(matplotlib.rcParams) == before


def test_many_tasks_are_whole_percents_in_small_cells():
    matrix = [[41.6 if task <= step else None for task in range(20)] for step in range(20)]
    svg = forgetting_heatmap(matrix)
    assert svg.count(">42<") == 210 and ">41.6<" not in svg
    # Two of them stand side by side on the page: points, 96 pixels to 72 of them.
    assert float(svg.split('width="')[1].split("pt")[0]) * 96 / 72 < 540


def test_ten_curves_are_ten_styles_and_twenty_steps_are_wider():
    curves = {f"m{index}": [50.0 + index] * 20 for index in range(10)}
    svg = step_curves(curves)
    assert all(f">{name}<" in svg for name in curves)
    assert "stroke-dasharray" in svg
    assert "stroke-dasharray" not in step_curves({"m": [50.0] * 20})


def test_deviations_are_drawn():
    curves = {"a": [50.0, 40.0], "b": [30.0, None]}
    without = step_curves(curves)
    assert step_curves(curves, deviations={"a": [None, None]}) == without
    band = step_curves(curves, deviations={"a": [5.0, 2.0], "b": [None, None]})
    assert band.count("opacity: 0.18") == 1
    values = {"a": {"cat": 50.0}, "b": {"cat": 30.0}}
    bars = class_bars(values)
    assert class_bars(values, deviations={"a": {"cat": None}}) == bars
    assert class_bars(values, deviations={"a": {"cat": 5.0}}) != bars


@pytest.mark.parametrize("count", [0, 1, 7, 21, 100, 171])
@pytest.mark.parametrize("runs", [1, 2, 6, 7, 12])
def test_parts_hold_every_class_once_and_fit_a_page(count, runs):
    classes = [f"c{index}" for index in range(count)]
    parts = class_parts(classes, runs)
    assert [name for part in parts for name in part] == classes
    assert all(0 < len(part) * class_height(runs) <= 8 for part in parts)
    sizes = {len(part) for part in parts}
    assert not sizes or max(sizes) - min(sizes) <= 1


def test_more_runs_than_colours_are_marks_on_one_line():
    values = {f"run{index}": {"a": 10.0 * index, "b": None} for index in range(10)}
    svg = class_bars(values)
    assert all(f">{name}<" in svg for name in values)
    few = class_bars({name: values[name] for name in list(values)[:6]})
    height = [float(text.split('height="')[1].split("pt")[0]) for text in (svg, few)]
    assert height[0] < height[1]


@pytest.mark.filterwarnings("error")
def test_long_names_and_other_scripts():
    """Neither pushes the bars out of the picture, nor is it a warning."""
    svg = class_bars({"run": {"x" * 300: 50.0, "道 길": 30.0, "y" * 40: 10.0}})
    assert f">{'x' * 37}...<" in svg and ">道 길<" in svg and f">{'y' * 40}<" in svg
