"""Metrics as plain functions of arrays: confusion matrices, IoU and the result matrix.

NumPy only. Ratios are in percent. Continual-learning code bases disagree on what
"backward transfer" and "forgetting" are, so each function states its equation and source.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

Average = Literal["present", "all"]
Matrix = Sequence[Sequence[float | None]] | np.ndarray


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
    intersection = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
    return np.divide(100.0 * intersection, union, out=np.full(len(union), np.nan), where=union > 0)


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
    confusion = _square(confusion)
    if average not in ("present", "all"):
        raise ValueError(f"average must be 'present' or 'all', not {average!r}")
    chosen = np.arange(len(confusion)) if classes is None else np.asarray(classes, dtype=np.int64)
    if chosen.size and (chosen.min() < 0 or chosen.max() >= len(confusion)):
        raise ValueError(f"classes {chosen.tolist()} do not fit {len(confusion)} classes")
    if average == "present":
        chosen = chosen[confusion.sum(axis=1)[chosen] > 0]
    if chosen.size == 0:
        return float("nan")
    return float(np.nan_to_num(iou_per_class(confusion)[chosen], nan=0.0).mean())


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


def average_accuracy(matrix: Matrix) -> float | None:
    """Average accuracy after the last step, ``ACC = (1/T) * sum_j R[T][j]``.

    Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017; the
    same in Adam-NSCL (Wang et al., CVPR 2021). For segmentation ``R`` holds mIoU.

    Args:
        matrix: ``T`` rows, those there are of an unfinished sequence; ``R[i][j]``, ``j <= i``, is
            the metric on task ``j`` after step ``i``. What is above the diagonal is not read.

    Returns:
        Percent; None if an entry that it needs is None or NaN.
    """
    return _defined(_lower_triangle(matrix)[-1].mean())


def backward_transfer(matrix: Matrix) -> float | None:
    """Backward transfer, ``BWT = (1/(T-1)) * sum_{j<T} (R[T][j] - R[j][j])``.

    Lopez-Paz and Ranzato, NeurIPS 2017: the last row against the diagonal; negative when earlier
    tasks were forgotten. Some libraries average over all ``i > j`` instead; this one does not.

    Args:
        matrix: As in :func:`average_accuracy`.

    Returns:
        Percentage points; None for a single task or if an entry that it needs is None or NaN.
    """
    lower = _lower_triangle(matrix)
    if len(lower) < 2:
        return None
    return _defined((lower[-1, :-1] - np.diag(lower)[:-1]).mean())


def new_task_metric(matrix: Matrix) -> float | None:
    """Mean metric on a new task right after it was learned, ``(1/(T-1)) * sum_{1<j<=T} R[j][j]``.

    The mean of the whole diagonal is the learning accuracy of Riemer et al., ICLR 2019; the first
    task, which methods that start from the same network share, is left out.

    Args:
        matrix: As in :func:`average_accuracy`.

    Returns:
        Percent; None for a single task or if an entry that it needs is None or NaN.
    """
    lower = _lower_triangle(matrix)
    return _defined(np.diag(lower)[1:].mean()) if len(lower) > 1 else None


def forgetting(matrix: Matrix) -> float | None:
    """Forgetting, ``F = (1/(T-1)) * sum_{j<T} (max_{j<=l<T} R[l][j] - R[T][j])``.

    Chaudhry et al., "Riemannian Walk for Incremental Learning", ECCV 2018: the best value on a
    task before the last step against the last one; positive when tasks were forgotten.

    Args:
        matrix: As in :func:`average_accuracy`.

    Returns:
        Percentage points; None for a single task or if an entry that it needs is None or NaN.
    """
    lower = _lower_triangle(matrix)
    if len(lower) < 2:
        return None
    # ndarray.max propagates NaN, so an unknown entry makes the result unknown.
    best = np.array([lower[task:-1, task].max() for task in range(len(lower) - 1)])
    return _defined((best - lower[-1, :-1]).mean())


def average_incremental(values: Sequence[float | None]) -> float | None:
    """Average incremental metric, ``A = (1/T) * sum_i a_i``.

    Rebuffi et al., iCaRL, CVPR 2017; "avg" in Douillard et al., PLOP, CVPR 2021.

    Args:
        values: ``a_i``, the metric over everything seen after step ``i``, pooled.

    Returns:
        Percent; None if there is no step or a value is None or NaN.
    """
    array = np.array(values, dtype=np.float64)
    return _defined(array.mean()) if array.size else None


def _square(confusion: np.ndarray) -> np.ndarray:
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1]:
        raise ValueError(f"a confusion matrix is square, got shape {confusion.shape}")
    return confusion


def _lower_triangle(matrix: Matrix) -> np.ndarray:
    """The (T, T) float64 matrix of the first T columns; None becomes NaN."""
    rows = [list(row) for row in matrix]
    if not rows:
        raise ValueError("a result matrix has at least one row")
    lower = np.full((len(rows), len(rows)), np.nan)
    for step, row in enumerate(rows):
        if len(row) <= step:
            raise ValueError(
                f"row {step} of a result matrix needs at least {step + 1} entries, got {len(row)}"
            )
        lower[step, : step + 1] = np.array(row[: step + 1], dtype=np.float64)
    return lower


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
