"""The plots of a report, as files."""

import json
from xml.etree import ElementTree

import pytest
from PIL import Image

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import group_runs, read_runs, write_results
from vdfd_seg.visualization import figures, write_plots, write_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory, fake_runs):
    root = tmp_path_factory.mktemp("runs")
    return [fake_runs.make_run(root, method, 0.2, images=0) for method in ("mib", "VDFD + x/y")]


def changed(work_dir, **changes):
    path = work_dir / "results.json"
    write_results(path, {**json.loads(path.read_text()), **changes})
    return work_dir


def test_every_plot_is_a_png_and_an_svg(runs, tmp_path):
    written = write_plots(runs, tmp_path / "deep" / "plots")
    names = {path.name for path in written}
    stems = {"heatmap_mib", "heatmap_VDFD_+_x_y", "curves_all", "curves_old", "curves_new",
             "classes"}  # fmt: skip
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg")}
    assert {path.name for path in (tmp_path / "deep" / "plots").iterdir()} == names
    for path in written:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            with Image.open(path) as image:
                assert image.getpixel((0, 0))[:3] == (255, 255, 255)


def test_names_that_differ_in_capitals_alone_do_not_meet(tmp_path, fake_runs):
    both = [fake_runs.make_run(tmp_path / n, n, 0.1, images=0) for n in ("mib", "MiB")]
    stems = {path.stem for path in write_plots(both, tmp_path / "plots")}
    assert {"heatmap_mib", "heatmap_MiB_2"} <= stems


def test_orders_have_a_plot_of_their_own(tmp_path, fake_runs):
    """Two orders of the later tasks; the page has the plot, too."""
    both = [
        fake_runs.make_run(tmp_path / n, "mib", 0.1 * k, images=0, fingerprint=n)
        for k, n in enumerate(("a", "b"), 1)
    ]
    protocol = json.loads((both[1] / "results.json").read_text())["protocol"]
    tasks = [protocol["tasks"][i] for i in (0, 2, 1)]
    changed(both[1], protocol={**protocol, "tasks": tasks})
    assert "orders.svg" in {path.name for path in write_plots(both, tmp_path / "plots")}
    page = write_report(both, tmp_path / "report.html").read_text()
    assert "Over the orders" in page
    assert "Over the orders" not in write_report(both[:1], tmp_path / "one.html").read_text()


def test_a_file_in_the_way_is_named(runs, tmp_path):
    (tmp_path / "plots").write_text("")
    with pytest.raises(InputError, match="plots: is a file"):
        write_plots(runs, tmp_path / "plots")


def test_one_run_has_its_curves_in_one_plot(runs):
    (drawn,) = figures.curves(group_runs(read_runs(runs[:1])))
    svg = drawn.draw()
    assert all(f">{name}<" in svg for name in ("old", "new", "all"))


def test_without_old_and_new_classes_tasks_are_earlier_or_newest(tmp_path, fake_runs):
    work_dir = fake_runs.make_run(tmp_path, "ewc", 0.1, images=0)
    steps = json.loads((work_dir / "results.json").read_text())["steps"]
    for step in steps:
        del step["old"], step["new"]
    matrix = [[90.0, None, None], [70.0, 80.0, None], [40.0, 60.0, 85.0]]
    changed(work_dir, steps=steps, matrix=matrix, metric="accuracy")
    groups = group_runs(read_runs([work_dir]))
    assert groups[0].of_steps(lambda run: figures.earlier(run.results["matrix"]))[0] == [
        None, 70.0, 50.0,
    ]  # fmt: skip
    (drawn,) = figures.curves(groups)
    svg = drawn.draw()
    assert "earlier tasks" in svg and "newest task" in svg and "accuracy (%)" in svg


def test_a_hundred_classes_are_drawn_in_parts(tmp_path, fake_runs):
    work_dir = fake_runs.make_run(tmp_path, "ewc", 0.1, images=0)
    steps = json.loads((work_dir / "results.json").read_text())["steps"]
    steps[-1]["per_class"] = {f"class {index}": float(index) for index in range(100)}
    changed(work_dir, steps=steps)
    drawn = figures.bars(group_runs(read_runs([work_dir])))
    assert [part.stem for part in drawn] == ["classes_1", "classes_2", "classes_3", "classes_4"]
    assert drawn[0].title == "classes 1 to 25 of 100"
    assert ">class 24<" in drawn[0].draw() and ">class 25<" in drawn[1].draw()
