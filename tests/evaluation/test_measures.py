"""Measures of result matrices, computed by hand."""

import pytest

from vdfd_seg.evaluation.measures import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    new_task_metric,
)

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


def test_new_task_metric_is_the_diagonal_without_the_first_task():
    matrix = [[90.0, None, None], [10.0, 60.0, None], [20.0, 30.0, 80.0]]
    assert new_task_metric(matrix) == 70.0
    assert new_task_metric(matrix[:1]) is None
    assert new_task_metric([[90.0, None], [10.0, None]]) is None
    # ACC is what was learned plus what was lost since.
    learned = (90.0 + 2 * new_task_metric(matrix)) / 3
    assert average_accuracy(matrix) == pytest.approx(learned + backward_transfer(matrix) * 2 / 3)


def test_forward_transfer_by_hand():
    # Tasks 1 and 2 before they are trained, and with an untrained network.
    assert forward_transfer([30.0, 20.0], [10.0, 16.0]) == ((30 - 10) + (20 - 16)) / 2
    assert forward_transfer([30.0], [None]) is forward_transfer([], []) is None


def test_intransigence_by_hand():
    joint = [[80.0, None, None], [70.0, 75.0, None], [60.0, 70.0, 92.0]]
    assert intransigence(MATRIX, joint) == ((75 - 70) + (92 - 90)) / 2
    # What joint training has learned besides does not count.
    assert intransigence(MATRIX[:2], joint) == 75 - 70
    assert intransigence(MATRIX[:1], joint) is None
    with pytest.raises(ValueError, match="2 steps, the run 3"):
        intransigence(MATRIX, joint[:2])
