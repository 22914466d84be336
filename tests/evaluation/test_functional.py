import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from vdfd_seg.evaluation.functional import (
    accuracy,
    confusion_matrix,
    iou_per_class,
    mean_accuracy,
    mean_iou,
)

# Rows are true classes; class 3 occurs nowhere, class 2 is predicted but never true.
CONFUSION = np.array([[6, 2, 0, 0], [1, 3, 4, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_confusion_matrix_by_hand():
    label = np.array([[0, 0, 1], [1, 255, 2]], dtype=np.uint8)
    # Ignored pixels may hold any prediction.
    prediction = np.array([[0, 1, 1], [1, 99, 0]], dtype=np.uint8)
    expected = [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    found = confusion_matrix(prediction, label, 3)
    assert found.dtype == np.int64
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("prediction", "label", "message"),
    [
        ([0, 3], [0, 1], "prediction holds class indices 0..3, expected 0..2"),
        ([0, 1], [0, 3], "label holds class indices 0..3"),
        ([0, 1, 2], [0, 1], "shape"),
        ([0.0, 1.0], [0, 1], "integers"),
    ],
)
def test_confusion_matrix_refuses(prediction, label, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(np.array(prediction), np.array(label), 3)


def test_iou_equals_sklearn():
    rng = np.random.default_rng(2)
    label, prediction = rng.integers(0, 7, (2, 500))
    expected = sklearn_metrics.jaccard_score(label, prediction, average=None)
    found = iou_per_class(confusion_matrix(prediction, label, 7))
    np.testing.assert_allclose(found, 100 * expected)


def test_mean_iou_by_hand():
    first, second = 100 * 6 / 9, 30.0
    np.testing.assert_allclose(iou_per_class(CONFUSION), [first, second, 0.0, np.nan])
    assert mean_iou(CONFUSION) == pytest.approx((first + second) / 2)
    assert mean_iou(CONFUSION, average="all") == pytest.approx((first + second) / 4)
    assert mean_iou(CONFUSION, classes=[1, 3]) == pytest.approx(second)
    assert mean_iou(CONFUSION, classes=[1, 3], average="all") == pytest.approx(second / 2)
    assert np.isnan(mean_iou(CONFUSION, classes=[2, 3]))
    assert mean_iou(CONFUSION, classes=[2, 3], average="all") == 0.0


def test_mean_accuracy_by_hand():
    # 6 of 8 pixels of the first class, 3 of 8 of the second.
    assert mean_accuracy(CONFUSION) == (75.0 + 37.5) / 2
    assert mean_accuracy(CONFUSION, average="all") == (75.0 + 37.5) / 4
    assert mean_accuracy(CONFUSION, classes=[1, 3]) == 37.5
    assert np.isnan(mean_accuracy(CONFUSION, classes=[2, 3]))


def test_mean_iou_refuses():
    with pytest.raises(ValueError, match="average"):
        mean_iou(CONFUSION, average="macro")
    with pytest.raises(ValueError, match="do not fit"):
        mean_iou(CONFUSION, classes=[4])
    with pytest.raises(ValueError, match="square"):
        mean_iou(np.zeros((2, 3)))


def test_accuracy_by_hand():
    assert accuracy(CONFUSION) == 100 * 9 / 16
    # Pooled over images, not a mean over classes.
    assert accuracy([[1, 0], [3, 96]]) == 97.0
    # What is given to another class counts, whichever classes are asked for.
    assert accuracy(CONFUSION, [1]) == 100 * 3 / 8
    # Without images there is none.
    assert np.isnan(accuracy(CONFUSION, [2, 3]))
    assert accuracy(CONFUSION, [0, 2, 3]) == 75.0
