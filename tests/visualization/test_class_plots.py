import pytest

from vdfd_seg.visualization.class_plots import class_bars, class_height, class_parts


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


def test_deviations_are_drawn():
    values = {"a": {"cat": 50.0}, "b": {"cat": 30.0}}
    without = class_bars(values)
    assert class_bars(values, deviations={"a": {"cat": None}}) == without
    assert class_bars(values, deviations={"a": {"cat": 5.0}}) != without


@pytest.mark.filterwarnings("error")
def test_long_names_and_other_scripts():
    """Neither pushes the bars out of the picture, nor is it a warning."""
    svg = class_bars({"run": {"x" * 300: 50.0, "道 길": 30.0, "y" * 40: 10.0}})
    assert f">{'x' * 37}...<" in svg and ">道 길<" in svg and f">{'y' * 40}<" in svg
