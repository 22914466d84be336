import ast
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from vdfd_seg.evaluation import functional
from vdfd_seg.evaluation.functional import (
    accuracy,
    average_accuracy,
    average_incremental,
    backward_transfer,
    confusion_matrix,
    forgetting,
    iou_per_class,
    mean_iou,
    new_task_metric,
)

# Rows are true classes; class 3 occurs nowhere, class 2 is predicted but never true.
CONFUSION = np.array([[6, 2, 0, 0], [1, 3, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_confusion_matrix_by_hand():
    label = np.array([[0, 0, 1], [1, 255, 2]], dtype=np.uint8)
    prediction = np.array([[0, 1, 1], [1, 2, 0]], dtype=np.uint8)
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    found = confusion_matrix(prediction, label, 3)
    assert found.dtype == np.int64
    assert found.tolist() == expected


def test_confusion_matrix_equals_sklearn():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 150, (40, 50)).astype(np.uint8)
    prediction = rng.integers(0, 150, (40, 50)).astype(np.uint8)
    expected = sklearn_metrics.confusion_matrix(
        label.ravel(), prediction.ravel(), labels=range(150)
    )
    assert np.array_equal(confusion_matrix(prediction, label, 150), expected)


def test_ignored_pixels_may_hold_any_prediction():
    found = confusion_matrix(np.array([99, 0]), np.array([255, 0]), 2)
    assert found.sum() == 1


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        ([0, 3], [0, 1], "prediction holds class indices 0..3, expected 0..2"),
        ([0, 1], [0, 3], "label holds class indices 0..3"),
        ([-1, 1], [0, 1], "prediction holds class indices -1..1"),
        ([0, 1, 2], [0, 1], "shape"),
        ([0.0, 1.0], [0, 1], "integers"),
    ],
)
def test_confusion_matrix_refuses(prediction, label, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(prediction), np.array(label), 3)


def test_iou_by_hand():
    found = iou_per_class(CONFUSION)
    np.testing.assert_allclose(found, [100 * 6 / 9, 100 * 3 / 10, 0.0, np.nan])


def test_iou_equals_sklearn():
    rng = np.random.default_rng(2)
    label, prediction = rng.integers(0, 7, (2, 500))
    expected = sklearn_metrics.jaccard_score(label, prediction, average=None)
    found = iou_per_class(confusion_matrix(prediction, label, 7))
    np.testing.assert_allclose(found, 100 * expected)
    macro = sklearn_metrics.jaccard_score(label, prediction, average="macro")
    assert mean_iou(confusion_matrix(prediction, label, 7)) == pytest.approx(100 * macro)


def test_mean_iou_averages():
    first, second = 100 * 6 / 9, 30.0
    assert mean_iou(CONFUSION) == pytest.approx((first + second) / 2)
    assert mean_iou(CONFUSION, average="all") == pytest.approx((first + second) / 4)
    assert mean_iou(CONFUSION, classes=[1, 3]) == pytest.approx(second)
    assert mean_iou(CONFUSION, classes=[1, 3], average="all") == pytest.approx(second / 2)
    assert np.isnan(mean_iou(CONFUSION, classes=[2, 3]))
    assert mean_iou(CONFUSION, classes=[2, 3], average="all") == 0.0


def test_mean_iou_refuses():
    with pytest.raises(ValueError, match="average"):
        mean_iou(CONFUSION, average="macro")
    with pytest.raises(ValueError, match="do not fit"):
        mean_iou(CONFUSION, classes=[4])
    with pytest.raises(ValueError, match="square"):
        mean_iou(np.zeros((2, 3)))


MATRIX = [[80.0, None, None], [60.0, 70.0, None], [65.0, 50.0, 90.0]]


def test_result_matrix_by_hand():
    assert average_accuracy(MATRIX) == pytest.approx((65 + 50 + 90) / 3)
    assert backward_transfer(MATRIX) == pytest.approx((65 - 80 + 50 - 70) / 2)
    assert forgetting(MATRIX) == pytest.approx((80 - 65 + 70 - 50) / 2)
    # Of an unfinished sequence, the rows there are; one task has no transfer.
    assert average_accuracy(MATRIX[:2]) == pytest.approx(65.0)
    assert backward_transfer(MATRIX[:2]) == pytest.approx(-20.0)
    assert average_accuracy([[70.0]]) == 70.0
    assert backward_transfer([[70.0]]) is forgetting([[70.0]]) is None


def test_forgetting_takes_the_best_value_before_the_last_step():
    matrix = [[50, None, None], [70, 60, None], [65, 80, 90]]
    assert forgetting(matrix) == pytest.approx(((70 - 65) + (60 - 80)) / 2)
    assert backward_transfer(matrix) == pytest.approx(((65 - 50) + (80 - 60)) / 2)


def test_above_the_diagonal_is_not_read():
    ragged = [row[: step + 1] for step, row in enumerate(MATRIX)]
    filled = np.where(np.tri(3, dtype=bool), np.array(MATRIX, dtype=float), 1e9)
    for function in (average_accuracy, backward_transfer, forgetting):
        assert function(ragged) == function(filled) == function(MATRIX)


def test_unknown_entries_make_the_result_unknown():
    unknown = [[None, None], [60.0, 70.0]]
    assert average_accuracy(unknown) == 65.0
    assert backward_transfer(unknown) is None
    assert forgetting(unknown) is None
    assert average_accuracy([[60.0, None], [float("nan"), 70.0]]) is None


def test_malformed_matrices_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        average_accuracy([])
    with pytest.raises(ValueError, match="row 1"):
        average_accuracy([[1.0], [1.0]])


def test_average_incremental():
    assert average_incremental([80.0, 60.0, 40.0]) == pytest.approx(60.0)
    assert average_incremental([80.0, None]) is None
    assert average_incremental([]) is None


def test_functional_needs_numpy_only():
    tree = ast.parse(Path(functional.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


class TestAccuracy:
    def test_by_hand(self):
        assert accuracy(CONFUSION) == 100 * 9 / 16
        assert accuracy(CONFUSION, [0]) == 75.0
        # Pooled over images, not a mean over classes.
        assert accuracy([[1, 0], [3, 96]]) == 97.0
        # What is given to another class counts, whichever classes are asked for.
        assert accuracy(CONFUSION, [1]) == 100 * 3 / 8
        # Without images there is none.
        assert np.isnan(accuracy(CONFUSION, [2, 3]))
        assert accuracy(CONFUSION, [0, 2, 3]) == 75.0

    def test_is_that_of_scikit_learn(self):
        rng = np.random.default_rng(0)
        label, prediction = rng.integers(0, 5, (2, 300))
        found = accuracy(confusion_matrix(prediction, label, 5))
        assert found == pytest.approx(100 * sklearn_metrics.accuracy_score(label, prediction))


def test_new_task_metric_is_the_diagonal_without_the_first_task():
    matrix = [[90.0, None, None], [10.0, 60.0, None], [20.0, 30.0, 80.0]]
    assert new_task_metric(matrix) == 70.0
    assert new_task_metric(matrix[:1]) is None
    assert new_task_metric([[90.0, None], [10.0, None]]) is None
    # ACC is what was learned plus what was lost since.
    learned = (90.0 + 2 * new_task_metric(matrix)) / 3
    assert average_accuracy(matrix) == pytest.approx(learned + backward_transfer(matrix) * 2 / 3)
