import csv
from statistics import mean, stdev
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.visualization.conftest import make_run
from vdfd_seg.evaluation import load_results, read_runs
from vdfd_seg.evaluation.groups import group_runs
from vdfd_seg.visualization import figures, write_plots, write_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return [make_run(root, method, 0.2, images=0) for method in ("mib", "VDFD + x/y")]


def test_every_plot_is_a_png_an_svg_and_its_data(runs, tmp_path):
    written = write_plots(runs, tmp_path / "deep" / "plots")
    names = {path.name for path in written}
    stems = {"heatmap_mib", "heatmap_VDFD_+_x_y", "confusion_mib", "confusion_VDFD_+_x_y", "curves",
             "classes"}  # fmt: skip
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg", "csv")}
    assert {path.name for path in (tmp_path / "deep" / "plots").iterdir()} == names
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        elif path.suffix == ".csv":
            assert len(path.read_text().splitlines()) in (1 + 3, 1 + 7)
        else:
            with Image.open(path) as image:
                assert image.getpixel((0, 0))[:3] == (255, 255, 255)


def test_names_that_differ_in_capitals_alone_do_not_meet(tmp_path):
    both = [make_run(tmp_path / n, n, 0.1, images=0) for n in ("mib", "MiB")]
    stems = {path.stem for path in write_plots(both, tmp_path / "plots")}
    assert {"heatmap_mib", "heatmap_MiB_2"} <= stems


def test_orders_have_a_plot_of_their_own(tmp_path):
    """Two orders of the later tasks; the page has the plot, too."""
    first = make_run(tmp_path / "a", "mib", 0.1, images=0)
    protocol = load_results(first)["protocol"]
    other = {**protocol, "fingerprint": "z", "tasks": [protocol["tasks"][i] for i in (0, 2, 1)]}
    both = [first, make_run(tmp_path / "b", "mib", 0.2, images=0, protocol=other)]
    assert "orders.svg" in {path.name for path in write_plots(both, tmp_path / "plots")}
    (plot,) = figures.orders(read_runs(both))
    overall = [run.results["summary"]["overall"] for run in read_runs(both)]
    rows = list(csv.reader(plot.data.splitlines()))
    assert rows[0] == ["order", "mib", "mib, standard deviation"]
    assert [float(row[1]) for row in rows[1:]] == pytest.approx([*overall, mean(overall)])
    assert [row[2] for row in rows[1:3]] == ["", ""]
    assert float(rows[3][2]) == pytest.approx(stdev(overall))
    page = write_report(both, tmp_path / "report.html").read_text()
    assert "Every order" in page
    assert "Every order" not in write_report(both[:1], tmp_path / "one.html").read_text()


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (2, 3)])
def test_one_run_has_its_curves_in_one_panel_and_several_one_for_each_kind(runs, count, panels):
    (plot,) = figures.curves(group_runs(read_runs(runs[:count])))
    figure = plot.draw()
    assert len(figure.axes) == panels and len(figure.legends) == 1
    kinds = ("all: everything learned so far", "old: classes of the first task",
             "new: classes of later tasks")  # fmt: skip
    columns = {f"{name}, {kind}" for name in ("mib", "VDFD + x/y")[:count] for kind in kinds}
    header = next(csv.reader(plot.data.splitlines()))
    assert header[0] == "after step" and set(header[1:]) == columns


def test_confusions_are_the_last_step_s_with_the_tasks_as_blocks(runs):
    plot = figures.confusions(group_runs(read_runs(runs)))[0]
    last = load_results(runs[0])["steps"][-1]
    header, *rows = csv.reader(plot.data.splitlines())
    assert header == ["true class", *last["per_class"]]
    assert [[int(n) for n in row[1:]] for row in rows] == last["confusions"]["0"]
    assert plot.draw.args[-1] == {"0 base": 3, "1 chair+dog & wolf": 2, "2 horse+sofa": 2}


def test_seeds_are_counted_together_in_a_confusion_matrix(tmp_path):
    both = [make_run(tmp_path / str(seed), "mib", images=0, seed=seed) for seed in (0, 1)]
    (group,) = group_runs(read_runs(both))
    one = np.array(group.first.last["confusions"]["0"])
    assert (group.confusion() == 2 * one).all()
    del group.runs[1].last["confusions"]
    assert figures.confusions([group]) == []


def test_without_old_and_new_classes_tasks_are_earlier_or_newest(runs, tmp_path):
    steps = load_results(runs[0])["steps"]
    for step in steps:
        del step["old"], step["new"]
    matrix = [[90.0, None, None], [70.0, 80.0, None], [40.0, 60.0, 85.0]]
    changes = {"steps": steps, "matrix": matrix, "metric": "accuracy"}
    work_dir = make_run(tmp_path, "ewc", images=0, **changes)
    groups = group_runs(read_runs([work_dir]))
    (plot,) = figures.curves(groups)
    header, *rows = csv.reader(plot.data.splitlines())
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    assert columns["ewc, mean of the earlier tasks"] == ["", "70.0", "50.0"]
    assert columns["ewc, the newest task"] == ["90.0", "80.0", "85.0"]
    assert plot.draw().axes[0].get_ylabel() == "accuracy (%)"
