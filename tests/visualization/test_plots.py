"""What the figures show: numbers, names, panels that share their axes, one legend."""

from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest

from vdfd_seg.visualization.plots import heatmap, marks, most_rows, step_curves
from vdfd_seg.visualization.style import Plot
from vdfd_seg.visualization.tables import Table

NAN = float("nan")
MATRIX = np.array([[91.2, NAN, NAN], [62.5, 70.3, NAN], [40.1, 55.6, 80.9]])
AXES = ("task", "after step")


def named(count):
    return [f"n{index}" for index in range(count)]


def curve(*values):
    return [(value, None) for value in values]


def table(**runs):
    rows = named(len(next(iter(runs.values()))))
    return Table("", "class", rows, {name: curve(*values) for name, values in runs.items()})


def shown(draw):
    return [
        " ".join(text.split()) for text in ElementTree.fromstring(Plot(draw, "").svg()).itertext()
    ]


def test_a_heat_map_writes_the_numbers_it_knows_and_all_names():
    texts = shown(partial(heatmap, MATRIX, ["base", "cat", "dog"], ["0", "1", "2"], AXES))
    assert {"91.2", "62.5", "70.3", "40.1", "55.6", "80.9", "base", "cat", "dog", *AXES} <= {*texts}
    assert "nan" not in texts
    assert "40.1" not in shown(partial(heatmap, MATRIX, named(3), named(3), AXES, smallest=50))


def test_too_many_classes_are_named_by_their_tasks_beside_a_scale():
    figure = heatmap(np.eye(150), named(150), named(150), AXES, blocks={"base": 100, "later": 50})
    axes, scale = figure.axes
    assert not axes.texts and scale.get_ylabel() == "%"
    for side, lines in ((axes.xaxis, "get_xdata"), (axes.yaxis, "get_ydata")):
        assert [text.get_text() for text in side.get_ticklabels()] == ["base", "later"]
        assert side.get_ticklocs().tolist() == [49.5, 124.5]
        assert [99.5, 99.5] in [list(getattr(line, lines)()) for line in axes.lines]
    assert not heatmap(np.eye(150), named(150), named(150), AXES).axes[0].texts


def test_panels_of_curves_share_their_axes_and_one_legend():
    panels = {
        "old": {"mib": curve(80.0, 60.0), "vdfd": curve(80.0, 70.0)},
        "new": {"vdfd": curve(None, 20.0)},
    }
    figure = step_curves(panels, "mIoU")
    old, new = figure.axes
    assert (old.get_title("left"), new.get_title("left")) == ("old", "new")
    assert old.get_ylim() == new.get_ylim() and old.get_xlim() == new.get_xlim()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["mib", "vdfd"]
    assert not (old.get_legend() or new.get_legend())
    # A run looks the same in every panel.
    assert old.lines[1].get_color() == new.lines[0].get_color() != old.lines[0].get_color()


def test_every_row_is_a_line_with_a_mark_for_every_run():
    values = {"mib": [10.0, 20.0, None], "vdfd": [30.0, None, 40.0]}
    figure = marks(table(**values), "IoU")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == named(3)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mib", "vdfd"]
    for line, expected in zip(axes.lines, values.values()):
        np.testing.assert_array_equal(line.get_xdata(), np.array(expected, dtype=float))
        assert (np.rint(line.get_ydata()) == [0, 1, 2]).all()
    assert not marks(table(mib=[1.0]), "IoU").legends


@pytest.mark.parametrize("runs", [1, 2, 6, 7, 12])
def test_columns_hold_every_row_once_share_their_axis_and_fit_a_page(runs):
    most = 3 * most_rows(runs)
    figure = marks(table(**{name: [50.0] * most for name in named(runs)}), "IoU")
    ticks = [text.get_text() for axes in figure.axes for text in axes.get_yticklabels()]
    assert ticks == named(most) and len(figure.axes) == 3
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    # The page's style makes pictures of more than 23 cm smaller.
    assert figure.get_figheight() * 2.54 < 23.2


def test_names_are_shown_as_they_are():
    name = "_a $x^2$ <b> & c"
    for draw in (
        partial(step_curves, {"": {name: curve(1.0, 2.0)}}, "mIoU"),
        partial(marks, Table("", "class", [name], {"b": curve(1.0), name: curve(2.0)}), "IoU"),
        partial(heatmap, np.eye(1), [name], [name], AXES),
    ):
        assert name in shown(draw)
