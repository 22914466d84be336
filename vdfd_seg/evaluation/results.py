"""From confusion matrices to the rows and the summary of ``results.json``.

Confusion matrices ``(C, C)`` count over the C classes seen, rows are true classes;
``task_of_class`` has for each of them the task that introduced it (background: 0). Values are
percent; None for a task that was not seen, a class or a task without labelled pixels or images.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vdfd_seg.evaluation.functional import Average, mean_iou
from vdfd_seg.evaluation.measures import (
    Matrix,
    average_accuracy,
    average_incremental,
    backward_transfer,
    defined,
    forgetting,
)

Row = list[float | None]


def pool(confusions: Mapping[int, np.ndarray]) -> np.ndarray:
    """The confusion matrix of all tasks' test images together, ``M = sum_t M_t``."""
    return np.sum([np.asarray(confusion) for confusion in confusions.values()], axis=0)


def row_by_classes(
    confusion: np.ndarray,
    task_of_class: Sequence[int],
    metric: Callable[[np.ndarray, np.ndarray], float],
) -> Row:
    """A row of the result matrix: a metric over the classes of each task.

    Args:
        confusion, task_of_class: See above.
        metric: Of a confusion matrix and indices of classes, such as
            :func:`~vdfd_seg.evaluation.functional.mean_iou`.
    """
    tasks = _checked_tasks(confusion, task_of_class)
    found = (metric(confusion, np.flatnonzero(tasks == t)) for t in range(tasks.max() + 1))
    return list(map(defined, found))


def row_by_domains(confusions: Mapping[int, np.ndarray], average: Average = "present") -> Row:
    """A row of the result matrix: mean IoU over all classes on each task's own test images."""
    row: Row = [None] * (max(confusions) + 1)
    for task, confusion in confusions.items():
        row[task] = defined(mean_iou(confusion, average=average))
    return row


def old_new_all(
    confusion: np.ndarray, task_of_class: Sequence[int], average: Average = "present"
) -> dict[str, float | None]:
    """Mean IoU over old, new and all classes, the columns of the VOC tables, and hIoU.

    Old are the classes of task 0, background included (as in PLOP's and RCIL's tables; some papers
    leave it out); new are those of all later tasks. ``all`` is the mean over classes. ``hiou`` is
    the harmonic mean of old and new (Baek et al., NeurIPS 2022): both count, however many they are.

    Returns:
        ``{"old", "new", "all", "hiou"}``; "new" is None for step 0.
    """
    tasks = _checked_tasks(confusion, task_of_class)
    parts = {"old": tasks == 0, "new": tasks > 0, "all": tasks >= 0}
    found = {
        name: defined(mean_iou(confusion, np.flatnonzero(part), average))
        for name, part in parts.items()
    }
    old, new = found["old"], found["new"]
    found["hiou"] = None if old is None or new is None else 2 * old * new / ((old + new) or 1.0)
    return found


def per_class(values: np.ndarray, classes: Sequence[str]) -> dict[str, float | None]:
    """A value of each class by name; None for NaN."""
    return {name: defined(value) for name, value in zip(classes, values, strict=True)}


def summarise(matrix: Matrix, overall_per_step: Sequence[float | None]) -> dict[str, float | None]:
    """The measures of the whole sequence in the ``summary`` of ``results.json``.

    Args:
        matrix: The result matrix, one row per step done; see
            :func:`~vdfd_seg.evaluation.measures.average_accuracy`.
        overall_per_step: After each step the metric over everything seen, pooled.

    Returns:
        ``acc``, ``bwt``, ``forgetting``, ``avg_incremental`` and ``overall``, the last entry of
        ``overall_per_step``. Unrounded.
    """
    return {
        "acc": average_accuracy(matrix),
        "bwt": backward_transfer(matrix),
        "forgetting": forgetting(matrix),
        "avg_incremental": average_incremental(overall_per_step),
        "overall": defined(overall_per_step[-1]),
    }


def _checked_tasks(confusion: np.ndarray, task_of_class: Sequence[int]) -> np.ndarray:
    if len(task_of_class) != len(confusion):
        raise ValueError(
            f"task_of_class names {len(task_of_class)} classes, the confusion matrix has "
            f"{len(confusion)}"
        )
    return np.asarray(task_of_class, dtype=np.int64)
