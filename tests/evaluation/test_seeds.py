"""Mean and deviation over seeds."""

import copy

import pytest

from vdfd_seg.evaluation import format_seeds, over_seeds


def run(seed=0, method="VDFD", fingerprint="f", old=50.0, bwt=-10.0, memory=100):
    return {
        "method": method,
        "seed": seed,
        "metric": "mIoU",
        "protocol": {
            "name": "4-3", "dataset": "D", "scenario": "class", "setting": "overlap",
            "fingerprint": fingerprint,
        },
        "steps": [
            {"step": 0, "memory_bytes": memory, "seconds_per_iter": 9.0},
            {"step": 1, "memory_bytes": memory, "seconds_per_iter": 0.5 + seed},
        ],
        "matrix": [[90.0, None], [80.0, 70.0 + seed]],
        "summary": {
            "old": old, "new": 1.0, "overall": 2.0, "acc": 3.0, "bwt": bwt, "forgetting": 4.0,
            "avg_incremental": 5.0,
        },
    }  # fmt: skip


def test_mean_and_sample_deviation_by_hand():
    (row,) = over_seeds([run(0, old=40.0), run(1, old=50.0), run(2, old=60.0)])
    assert row["seeds"] == [0, 1, 2]
    assert row["old"] == (50.0, pytest.approx(10.0))
    assert row["new"] == (1.0, 0.0)
    # The diagonal and the times without the first step, which runs may share.
    assert row["new_task"] == (71.0, pytest.approx(1.0))
    assert row["seconds_per_iter"] == pytest.approx(1.5)


def test_memory_is_the_most_of_any_step_and_run():
    runs = [run(0), run(1)]
    (row,) = over_seeds(runs)
    assert (row["held_bytes"], row["peak_memory"]) == (None, None)
    # A run from before held memory was counted, one whose first step was taken from another.
    runs[1]["steps"][0] |= {"held_bytes": 0, "peak_memory_bytes": None, "peak_memory_of": None}
    runs[1]["steps"][1] |= {
        "held_bytes": 3 * 2**20, "peak_memory_bytes": 2**31, "peak_memory_of": "process",
    }  # fmt: skip
    (row,) = over_seeds(runs)
    assert (row["held_bytes"], row["peak_memory"]) == (3 * 2**20, (2**31, "process"))
    text = format_seeds(runs)
    assert "3.0 MiB" in text
    assert "2.0 GiB RAM" in text


def test_single_run_has_no_deviation():
    (row,) = over_seeds([run()])
    assert row["old"] == (50.0, None)


def test_methods_and_protocols_are_never_mixed():
    runs = [run(0), run(0, method="FineTune"), run(1), run(1, fingerprint="g")]
    rows = over_seeds(runs)
    assert [(r["method"], r["kind"][0], len(r["seeds"])) for r in rows] == [
        ("VDFD", "f", 2), ("FineTune", "f", 1), ("VDFD", "g", 1),
    ]  # fmt: skip


def test_unfinished_run_is_not_averaged_with_finished_ones():
    longer = copy.deepcopy(run(1))
    longer["steps"].append({**longer["steps"][-1], "step": 2})
    assert len(over_seeds([run(0), longer])) == 2
    text = format_seeds([run(0), longer])
    assert "VDFD [a]" in text and "VDFD [b]" in text
    assert "fingerprint f, after step 1\n" in text and "fingerprint f, after step 2\n" in text


def test_configs_of_a_method_are_never_averaged():
    strong, weak = ({**run(0), "config": name} for name in ("strong", "weak"))
    rows = over_seeds([strong, weak, {**strong, "seed": 1}])
    assert [(r["method"], r["seeds"]) for r in rows] == [
        ("VDFD (strong)", [0, 1]), ("VDFD (weak)", [0]),
    ]  # fmt: skip


def test_a_seed_given_twice_is_another_setting():
    runs, folders = [run(0), run(0), run(0, method="MiB")], ["w/a/x", "w/b/x", "w/m"]
    assert [r["method"] for r in over_seeds(runs, folders)] == ["VDFD (a/x)", "VDFD (b/x)", "MiB"]
    assert [r["method"] for r in over_seeds(runs)] == ["VDFD #1", "VDFD #2", "MiB"]


def test_undefined_measure_is_left_out():
    (row,) = over_seeds([run(0, bwt=None), run(1)])
    assert "bwt" not in row


def test_table_names_methods_and_marks_protocols():
    text = format_seeds([run(0), run(1, old=52.0), run(0, method="FineTune", fingerprint="g")])
    assert "51.00 ± 1.41" in text
    assert "Old" in text
    classification = [run(0)]
    del classification[0]["summary"]["old"], classification[0]["summary"]["new"]
    assert "Old" not in format_seeds(classification)
    assert "NOT COMPARABLE" in text
    assert "NOT COMPARABLE" not in format_seeds([run(0), run(1)])
