import copy
from pathlib import Path

import pytest

from tests.evaluation.conftest import RESULTS
from vdfd_seg.evaluation import RunFiles, read_runs
from vdfd_seg.evaluation.groups import group_runs, mean_and_deviation


def run_of(tmp_path, **changes):
    results = copy.deepcopy(RESULTS)
    if "fingerprint" in changes:
        results["protocol"]["fingerprint"] = changes.pop("fingerprint")
    return RunFiles(tmp_path, {**results, **changes})


def named(runs):
    return group_runs(read_runs(runs))


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


def test_seeds_of_one_method_are_a_group(tmp_path):
    second = [[50.0, None], [30.0, 40.0]]
    (group,) = named([run_of(tmp_path), run_of(tmp_path, seed=1, matrix=second)])
    assert group.name == group.label == "vdfd"
    first, last = group.matrix()
    assert first == [(55.0, pytest.approx(50**0.5)), (None, None)]
    assert last == [(40.0, pytest.approx(200**0.5)), (35.0, pytest.approx(50**0.5))]
    assert group.summary("acc") == (40.0, 0.0)
    assert group.summary("unknown") == (None, None)
    assert group.of_steps(lambda run: run.values("overall")) == [(60.0, 0.0), (45.0, 0.0)]
    assert group.per_class() == {"background": (80.0, 0.0), "one": (None, None)}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "MiB"},
        {"config": "vdfd_b"},
        {"fingerprint": "bb"},
        {"metric": "accuracy"},
        {"steps": RESULTS["steps"][:1], "matrix": RESULTS["matrix"][:1]},
    ],
)
def test_what_differs_in_more_than_the_seed_stays_apart(tmp_path, change):
    groups = named([run_of(tmp_path), run_of(tmp_path, seed=1, **change)])
    assert [len(group.runs) for group in groups] == [1, 1]
    assert len({group.name for group in groups}) == 2


def test_a_seed_given_twice_says_that_something_else_was_changed(tmp_path):
    groups = named([run_of(tmp_path / n, seed=seed) for n, seed in (("a", 0), ("b", 1), ("c", 1))])
    assert [len(group.runs) for group in groups] == [1, 1, 1]
    assert [group.name for group in groups] == ["vdfd (a)", "vdfd (b)", "vdfd (c)"]
    unknown = [RunFiles(Path(), group.first.results) for group in groups[1:]]
    assert [group.name for group in group_runs(unknown)] == ["vdfd #1", "vdfd #2"]


def test_two_configs_of_a_method_are_told_apart_by_it(tmp_path):
    runs = [run_of(tmp_path, seed=seed, config=c) for c in ("one", "two") for seed in (0, 1)]
    groups = named([RunFiles(run.work_dir, run.results, f"r{i}") for i, run in enumerate(runs)])
    assert [group.name for group in groups] == ["vdfd (one)", "vdfd (two)"]
