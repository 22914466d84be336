"""Runs of one method are one group over their seeds, and nothing else is."""

import copy
from pathlib import Path

import pytest

from tests.evaluation.conftest import RESULTS
from tests.tiny import changed
from vdfd_seg.evaluation import RunFiles, format_comparison, read_runs
from vdfd_seg.evaluation.groups import group_runs, mean_and_deviation

FINGERPRINT = "protocol.fingerprint"


def run(changes, folder=Path()):
    """A run whose results have other values at dotted keys."""
    return RunFiles(folder, changed(copy.deepcopy(RESULTS), changes))


def named(*runs):
    return group_runs(read_runs(runs))


def compared(*runs):
    return format_comparison([each.results for each in runs])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (None, None)),
        ([3.0], (3.0, None)),
        ([1.0, 3.0], (2.0, 2**0.5)),
        ([1.0, None], (None, None)),
        ([5.0, 5.0, 5.0], (5.0, 0.0)),
    ],
)
def test_mean_and_deviation_by_hand(values, expected):
    assert mean_and_deviation(values) == pytest.approx(expected)


def test_seeds_of_one_method_are_a_group():
    second = {"seed": 1, "matrix": [[50.0, None], [30.0, 40.0]], "summary.old": 52.0}
    runs = run({}), run(second)
    (group,) = named(*runs)
    assert group.name == group.label == "vdfd"
    first, last = group.matrix()
    assert first == [(55.0, pytest.approx(50**0.5)), (None, None)]
    assert last == [(40.0, pytest.approx(200**0.5)), (35.0, pytest.approx(50**0.5))]
    assert group.summary("acc") == (40.0, 0.0)
    # The diagonal without the first task, which runs may share.
    assert group.summary("new_task") == (35.0, pytest.approx(50**0.5))
    assert group.summary("unknown") == (None, None)
    assert group.of_steps(lambda run: run.values("overall")) == [(60.0, 0.0), (45.0, 0.0)]
    assert group.per_class() == {"background": (80.0, 0.0), "one": (None, None)}
    text = compared(*runs)
    assert "51.00 ± 1.41" in text and "NOT COMPARABLE" not in text


def test_cost_is_the_time_of_later_steps_and_the_most_memory_of_any():
    runs = [run({"seed": seed}) for seed in (0, 1)]
    (group,) = named(*runs)
    assert (group.costs()["held"], group.costs()["peak"]) == ("-", "-")
    for seed, each in enumerate(runs):
        for step, time in zip(each.results["steps"], (9.0, 0.5 + seed), strict=True):
            step |= {"seconds": None, "seconds_per_iter": time}
    # A run from before held memory was counted, one whose first step was taken from another.
    first, second = runs[1].results["steps"]
    first |= {"held_bytes": 0, "peak_memory_bytes": None, "peak_memory_of": None}
    second |= {"held_bytes": 3 * 2**20, "peak_memory_bytes": 2**31, "peak_memory_of": "process"}
    costs = group.costs()
    assert (costs["held"], costs["peak"]) == ("3.0 MiB", "2.0 GiB RAM")
    assert (costs["s/iter"], costs["time"]) == ("1.000", "-")
    text = compared(*runs)
    assert "3.0 MiB" in text and "2.0 GiB RAM" in text


def test_a_measure_that_is_not_known_of_every_run_has_no_mean():
    text = compared(run({"summary.bwt": None}), run({"seed": 1}))
    assert "BWT" not in text and "Forget" in text and "Old" in text
    assert "Old" not in compared(run({"summary.old": ..., "summary.new": ...}))


@pytest.mark.parametrize(
    "change",
    [
        {"method": "MiB"},
        {"config": "vdfd_b"},
        {FINGERPRINT: "bb"},
        {"metric": "accuracy"},
        {"steps": RESULTS["steps"][:1], "matrix": RESULTS["matrix"][:1]},
    ],
)
def test_what_differs_in_more_than_the_seed_stays_apart(change):
    groups = named(run({}), run({"seed": 1, **change}))
    assert [len(group.runs) for group in groups] == [1, 1]
    assert len({group.name for group in groups}) == 2


def test_a_seed_given_twice_says_that_something_else_was_changed():
    groups = named(*(run({"seed": seed}, Path(n)) for n, seed in (("a", 0), ("b", 1), ("c", 1))))
    assert [len(group.runs) for group in groups] == [1, 1, 1]
    assert [group.name for group in groups] == ["vdfd (a)", "vdfd (b)", "vdfd (c)"]
    unknown = [RunFiles(Path(), group.first.results) for group in groups[1:]]
    assert [group.name for group in group_runs(unknown)] == ["vdfd #1", "vdfd #2"]


def test_two_configs_of_a_method_are_told_apart_by_it():
    runs = [run({"seed": seed, "config": c}) for c in ("one", "two") for seed in (0, 1)]
    groups = named(*(RunFiles(Path(), each.results, f"r{i}") for i, each in enumerate(runs)))
    assert [group.name for group in groups] == ["vdfd (one)", "vdfd (two)"]
