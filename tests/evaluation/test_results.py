import json
from functools import partial

import numpy as np
import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import load_results, load_runs, pool, with_intransigence, write_results
from vdfd_seg.evaluation.functional import (
    accuracy,
    accuracy_per_class,
    iou_per_class,
    mean_iou,
    old_new_all,
    per_class,
    row_by_classes,
    row_by_domains,
)
from vdfd_seg.evaluation.measures import summarise

CONFUSION = np.array([[8, 0, 2, 0], [0, 5, 0, 5], [1, 0, 9, 0], [0, 0, 0, 4]])
TASKS = [0, 0, 1, 2]


def without_the_last_class():
    confusion = CONFUSION.copy()
    confusion[3] = 0
    return confusion


def test_row_of_mean_ious():
    # 8 of 11, 5 of 10, 9 of 12, 4 of 9.
    iou = 100 * np.array([8 / 11, 5 / 10, 9 / 12, 4 / 9])
    expected = [iou[:2].mean(), iou[2], iou[3]]
    assert row_by_classes(CONFUSION, TASKS, mean_iou) == pytest.approx(expected)
    # A task without labels is None or zero.
    assert row_by_classes(without_the_last_class(), TASKS, mean_iou)[2] is None
    zero = partial(mean_iou, average="all")
    assert row_by_classes(without_the_last_class(), TASKS, zero)[2] == 0.0


def test_row_by_domains_and_pool():
    confusions = {0: np.diag([3, 3]), 2: np.array([[1, 1], [1, 1]])}
    assert row_by_domains(confusions) == [100.0, None, pytest.approx(100 / 3)]
    assert pool(confusions).tolist() == [[4, 1], [1, 4]]


def test_row_of_accuracies():
    # 13 of 20 images of the first task's two classes, 9 of 10 of the second's, all of the third's.
    assert row_by_classes(CONFUSION, TASKS, accuracy) == [65.0, 90.0, 100.0]
    assert row_by_classes(without_the_last_class(), TASKS, accuracy) == [65.0, 90.0, None]
    # Tasks whose classes do not follow one another.
    assert row_by_classes(CONFUSION, [0, 1, 0, 1], accuracy) == [85.0, pytest.approx(900 / 14)]


def test_old_new_all():
    iou = iou_per_class(CONFUSION)
    found = old_new_all(CONFUSION, TASKS)
    old, new = iou[:2].mean(), iou[2:].mean()
    expected = {"old": old, "new": new, "all": iou.mean(), "hiou": 2 / (1 / old + 1 / new)}
    assert found == pytest.approx(expected)
    first = old_new_all(CONFUSION[:2, :2], [0, 0])
    assert first["new"] is first["hiou"] is None and first["old"] == first["all"]
    assert old_new_all(np.array([[0, 1], [1, 0]]), [0, 1])["hiou"] == 0


def test_per_class():
    assert per_class(iou_per_class(np.diag([3, 0])), ["a", "b"]) == {"a": 100.0, "b": None}
    found = per_class(accuracy_per_class(without_the_last_class()), ["a", "b", "c", "d"])
    assert found == {"a": 80.0, "b": 50.0, "c": 90.0, "d": None}
    with pytest.raises(ValueError, match="zip"):
        per_class(iou_per_class(CONFUSION), ["a", "b"])


def test_summary_by_hand():
    matrix = [[90.0, None, None], [60.0, 80.0, None], [75.0, 50.0, np.float64(70.0)]]
    summary = summarise(matrix, [90.0, 70.0, np.float64(65.0)])
    keys = ("acc", "bwt", "forgetting", "avg_incremental", "overall")
    assert summary == dict(zip(keys, (65.0, -22.5, 22.5, 75.0, 65.0), strict=True))
    assert all(type(value) is float for value in summary.values())
    first = summarise([[70.0, None]], [70.0])
    assert first == {**dict.fromkeys(keys, 70.0), "bwt": None, "forgetting": None}


def test_intransigence_against_joint_training(results):
    joint = {**results, "matrix": [[60.0, None], [55.0, 42.0]]}
    runs = load_runs([results])
    (run,) = with_intransigence(runs, joint)
    assert run.results["summary"] == {**results["summary"], "intransigence": 12.0}
    other = {**joint, "protocol": {**joint["protocol"], "fingerprint": "f", "setting": "disjoint"}}
    short = {**joint, "matrix": [[60.0, None]]}
    for wrong, message in (
        (other, "its protocol has fingerprint f, .* setting was 'disjoint', now 'overlap'"),
        ({**joint, "metric": "accuracy"}, "its metric is accuracy"),
        (short, "1 steps, vdfd has 2"),
    ):
        with pytest.raises(InputError, match=message):
            with_intransigence(runs, wrong)


def test_write_and_load(tmp_path, results):
    path = tmp_path / "run" / "results.json"
    results["matrix"][0][1] = float("nan")
    results["summary"]["acc"] = np.float32(40.0)
    results["extra"] = {"counts": np.arange(2), "pair": (1, np.int64(2))}
    write_results(path, results)
    loaded = load_results(path.parent)
    assert loaded == load_results(path)
    assert loaded["matrix"] == [[60.0, None], [50.0, 30.0]]
    assert loaded["extra"] == {"counts": [0, 1], "pair": [1, 2]}
    assert [item.name for item in path.parent.iterdir()] == ["results.json"]


def test_refused_results_leave_the_old_file(tmp_path, results):
    path = tmp_path / "results.json"
    write_results(path, results)
    before = path.read_text()
    del results["seed"]
    with pytest.raises(InputError, match="key 'seed' is missing"):
        write_results(path, results)
    assert path.read_text() == before


def put(value, *keys):
    """A change that sets a nested value; ``...`` takes it away."""

    def change(results):
        for key in keys[:-1]:
            results = results[key]
        results[keys[-1]] = value
        if value is ...:
            del results[keys[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(2, "schema"), "'schema' is 2"),
        (put(..., "protocol"), "'protocol'"),
        (put([], "summary"), "'summary' must be an object"),
        (put(..., "summary", "bwt"), "'summary.bwt'"),
        (put(..., "steps", 1, "seconds"), r"'steps\[1\].seconds'"),
        (put(0, "steps", 1, "step"), "in order"),
        (put("high", "matrix", 1, 0), "'matrix' must have 2 rows of numbers"),
        (put([1.0], "matrix", 1), "row i of 'matrix' must have"),
    ],
)
def test_bad_results_name_file_and_key(tmp_path, results, change, message):
    change(results)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    with pytest.raises(InputError, match=message) as caught:
        load_results(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\x80", None])
def test_a_file_that_is_none_or_no_results(tmp_path, content):
    path = tmp_path / "results.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"no such file" if content is None else r"results\.json"):
        load_results(path)
