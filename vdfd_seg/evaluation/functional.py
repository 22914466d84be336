"""Metrics as plain functions of confusion matrices: IoU and accuracy, rows of ``results.json``.

NumPy only. Ratios are in percent. In rows ``task_of_class`` has for each of the C classes seen the
task that introduced it (background: 0); None stands for a task that was not seen, and for a class
or a task without labelled pixels or images.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from vdfd_seg.evaluation.measures import defined

Average = Literal["present", "all"]
Row = list[float | None]


def confusion_matrix(
    prediction: np.ndarray, label: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Count pixels by true and predicted class.

    ``M[a, b] = #{p : label(p) = a, prediction(p) = b}`` over the pixels whose label is not
    ``ignore_index``.

    Args:
        prediction: Predicted class indices, any shape.
        label: True class indices, same shape, or ``ignore_index``.
        num_classes: Number of classes ``C``.
        ignore_index: Label of pixels that are not evaluated. Default 255.

    Returns:
        ``(C, C)`` int64, rows are true classes, columns predicted ones.

    Raises:
        ValueError: If the shapes differ, the arrays are not of integers or an evaluated pixel
            holds an index outside ``[0, C)``.
    """
    prediction, label = np.asarray(prediction), np.asarray(label)
    if prediction.shape != label.shape:
        raise ValueError(f"prediction has shape {prediction.shape}, label {label.shape}")
    for name, array in (("prediction", prediction), ("label", label)):
        if array.dtype.kind not in "iub":
            raise ValueError(f"{name} must hold class indices (integers), not {array.dtype}")
    keep = label != ignore_index
    # int64 before the product below: uint8 labels would wrap around.
    prediction, label = prediction[keep].astype(np.int64), label[keep].astype(np.int64)
    for name, array in (("prediction", prediction), ("label", label)):
        if array.size and (array.min() < 0 or array.max() >= num_classes):
            raise ValueError(
                f"{name} holds class indices {array.min()}..{array.max()}, "
                f"expected 0..{num_classes - 1} (or label {ignore_index} to ignore a pixel)"
            )
    counts = np.bincount(label * num_classes + prediction, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


def iou_per_class(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, the Jaccard index of PASCAL VOC.

    ``IoU_c = 100 * TP_c / (TP_c + FP_c + FN_c)`` with ``TP_c = M[c, c]``, ``FN_c`` the rest of
    row ``c`` and ``FP_c`` the rest of column ``c``: the segmentation accuracy of Everingham et
    al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015.

    Args:
        confusion: ``(C, C)`` counts, rows are true classes.

    Returns:
        ``(C,)`` float64 in percent; NaN for a class in neither labels nor predictions.
    """
    confusion = _square(confusion)
    return _shares(confusion, confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion))


def accuracy_per_class(confusion: np.ndarray) -> np.ndarray:
    """Accuracy on the images or pixels of each class, ``a_c = 100 * M[c, c] / sum_d M[c, d]``.

    Args and returns as :func:`iou_per_class`; NaN for a class without labels.
    """
    confusion = _square(confusion)
    return _shares(confusion, confusion.sum(axis=1))


def accuracy(confusion: np.ndarray, classes: Sequence[int] | np.ndarray | None = None) -> float:
    """Accuracy pooled over the images of the classes S.

    ``a = 100 * sum_{c in S} M[c, c] / sum_{c in S} sum_d M[c, d]``.

    Args:
        confusion: ``(C, C)`` counts, rows are true classes.
        classes: Indices S; default all.

    Returns:
        Percent; NaN without images.
    """
    confusion = _square(confusion)
    chosen = np.arange(len(confusion)) if classes is None else np.asarray(classes, dtype=np.int64)
    count = confusion[chosen].sum()
    return float(100.0 * np.diag(confusion)[chosen].sum() / count) if count else float("nan")


def mean_iou(
    confusion: np.ndarray,
    classes: Sequence[int] | np.ndarray | None = None,
    average: Average = "present",
) -> float:
    """Mean IoU over a set S of classes, ``(1 / |S|) * sum over c in S of IoU_c``.

    Args:
        confusion: ``(C, C)`` counts, rows are true classes; all its columns always count.
        classes: Indices to average over. Default: all ``C``.
        average: ``"present"`` (default): S is those of ``classes`` with labelled pixels, as in
            the continual-segmentation literature (``StreamSegMetrics`` in MiB, PLOP and RCIL).
            ``"all"``: S is all of ``classes``; one without labelled pixels counts 0.

    Returns:
        Percent; NaN where ``S`` is empty.

    Raises:
        ValueError: If ``average`` is neither of the two or an index is out of range.
    """
    return _mean(iou_per_class(confusion), confusion, classes, average)


def mean_accuracy(
    confusion: np.ndarray,
    classes: Sequence[int] | np.ndarray | None = None,
    average: Average = "present",
) -> float:
    """Mean over a set S of classes of :func:`accuracy_per_class`; arguments as :func:`mean_iou`.

    "Mean accuracy" of Long, Shelhamer and Darrell, CVPR 2015, mAcc of MMSegmentation; their pixel
    accuracy, aAcc, is :func:`accuracy`.
    """
    return _mean(accuracy_per_class(confusion), confusion, classes, average)


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
        metric: Of a confusion matrix and indices of classes, such as :func:`mean_iou`.
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


def _checked_tasks(confusion: np.ndarray, task_of_class: Sequence[int]) -> np.ndarray:
    if len(task_of_class) != len(confusion):
        raise ValueError(
            f"task_of_class names {len(task_of_class)} classes, the confusion matrix has "
            f"{len(confusion)}"
        )
    return np.asarray(task_of_class, dtype=np.int64)


def _square(confusion: np.ndarray) -> np.ndarray:
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"a confusion matrix is square, got shape {confusion.shape}")
    return confusion


def _shares(confusion: np.ndarray, of: np.ndarray) -> np.ndarray:
    """The diagonal in percent of other counts; NaN where there are none."""
    return np.divide(100.0 * np.diag(confusion), of, out=np.full(len(of), np.nan), where=of > 0)


def _mean(values: np.ndarray, confusion: np.ndarray, classes, average: Average) -> float:
    if average not in ("present", "all"):
        raise ValueError(f"average must be 'present' or 'all', not {average!r}")
    chosen = np.arange(len(values)) if classes is None else np.asarray(classes, dtype=np.int64)
    if chosen.size and (chosen.min() < 0 or chosen.max() >= len(values)):
        raise ValueError(f"classes {chosen.tolist()} do not fit {len(values)} classes")
    if average == "present":
        chosen = chosen[np.asarray(confusion).sum(axis=1)[chosen] > 0]
    return float(np.nan_to_num(values[chosen]).mean()) if chosen.size else float("nan")
