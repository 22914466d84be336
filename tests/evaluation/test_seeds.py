import copy
from pathlib import Path

import pytest

from tests.evaluation.conftest import RESULTS
from vdfd_seg.evaluation import RunFiles, format_comparison
from vdfd_seg.evaluation.groups import group_runs


def run(seed=0, method="VDFD", fingerprint="f", old=50.0, bwt=-10.0):
    times = zip(RESULTS["steps"], (9.0, 0.5 + seed), strict=True)
    return {
        **copy.deepcopy(RESULTS),
        "method": method,
        "seed": seed,
        "protocol": {**RESULTS["protocol"], "fingerprint": fingerprint},
        "steps": [{**step, "seconds": None, "seconds_per_iter": time} for step, time in times],
        "matrix": [[90.0, None], [80.0, 70.0 + seed]],
        "summary": {**RESULTS["summary"], "old": old, "bwt": bwt},
    }


def groups(*runs):
    return group_runs([RunFiles(Path(), each) for each in runs])


def test_time_and_the_diagonal_leave_out_the_first_step_which_runs_may_share():
    (group,) = groups(run(0), run(1), run(2))
    assert group.summary("new_task") == (71.0, pytest.approx(1.0))
    assert (group.costs()["s/iter"], group.costs()["time"]) == ("1.500", "-")


def test_memory_is_the_most_of_any_step_and_run():
    runs = [run(0), run(1)]
    (group,) = groups(*runs)
    assert (group.costs()["held"], group.costs()["peak"]) == ("-", "-")
    # A run from before held memory was counted, one whose first step was taken from another.
    runs[1]["steps"][0] |= {"held_bytes": 0, "peak_memory_bytes": None, "peak_memory_of": None}
    runs[1]["steps"][1] |= {
        "held_bytes": 3 * 2**20, "peak_memory_bytes": 2**31, "peak_memory_of": "process",
    }  # fmt: skip
    assert (group.costs()["held"], group.costs()["peak"]) == ("3.0 MiB", "2.0 GiB RAM")
    text = format_comparison(runs)
    assert "3.0 MiB" in text
    assert "2.0 GiB RAM" in text


def test_a_measure_that_is_not_known_of_every_run_has_no_mean():
    text = format_comparison([run(0, bwt=None), run(1)])
    assert "BWT" not in text and "Forget" in text


def test_table_names_methods_and_marks_protocols():
    text = format_comparison([run(0), run(1, old=52.0), run(0, method="FineTune", fingerprint="g")])
    assert "51.00 ± 1.41" in text
    assert "Old" in text
    classification = [run(0)]
    del classification[0]["summary"]["old"], classification[0]["summary"]["new"]
    assert "Old" not in format_comparison(classification)
    assert "NOT COMPARABLE" in text
    assert "NOT COMPARABLE" not in format_comparison([run(0), run(1)])
