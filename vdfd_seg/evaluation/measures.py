"""Measures of a whole sequence, as plain functions of its result matrix.

NumPy only. Continual-learning code bases disagree on what "backward transfer" and "forgetting" are,
so each function states its equation and source.

A result matrix has T rows, those there are of an unfinished sequence; ``R[i][j]``, ``j <= i``, is
the metric on task ``j`` after step ``i``; what is above the diagonal is not read. Values are
percent, differences percentage points; None where an entry that is needed is None or NaN, and for a
single task where there is nothing to compare.
"""

from collections.abc import Sequence

import numpy as np

Matrix = Sequence[Sequence[float | None]] | np.ndarray


def average_accuracy(matrix: Matrix) -> float | None:
    """Average accuracy after the last step, ``ACC = (1/T) * sum_j R[T][j]``.

    Lopez-Paz and Ranzato, "Gradient Episodic Memory for Continual Learning", NeurIPS 2017; the
    same in Adam-NSCL (Wang et al., CVPR 2021). For segmentation ``R`` holds mIoU.
    """
    return defined(_lower_triangle(matrix)[-1].mean())


def backward_transfer(matrix: Matrix) -> float | None:
    """Backward transfer, ``BWT = (1/(T-1)) * sum_{j<T} (R[T][j] - R[j][j])``.

    Lopez-Paz and Ranzato, NeurIPS 2017: the last row against the diagonal; negative when earlier
    tasks were forgotten. Some libraries average over all ``i > j`` instead; this one does not.
    """
    lower = _lower_triangle(matrix)
    if len(lower) < 2:
        return None
    return defined((lower[-1, :-1] - np.diag(lower)[:-1]).mean())


def new_task_metric(matrix: Matrix) -> float | None:
    """Mean metric on a new task right after it was learned, ``(1/(T-1)) * sum_{1<j<=T} R[j][j]``.

    The mean of the whole diagonal is the learning accuracy of Riemer et al., ICLR 2019; the first
    task, which methods that start from the same network share, is left out.
    """
    lower = _lower_triangle(matrix)
    return defined(np.diag(lower)[1:].mean()) if len(lower) > 1 else None


def forgetting(matrix: Matrix) -> float | None:
    """Forgetting, ``F = (1/(T-1)) * sum_{j<T} (max_{j<=l<T} R[l][j] - R[T][j])``.

    Chaudhry et al., "Riemannian Walk for Incremental Learning", ECCV 2018: the best value on a
    task before the last step against the last one; positive when tasks were forgotten.
    """
    lower = _lower_triangle(matrix)
    if len(lower) < 2:
        return None
    # ndarray.max propagates NaN, so an unknown entry makes the result unknown.
    best = np.array([lower[task:-1, task].max() for task in range(len(lower) - 1)])
    return defined((best - lower[-1, :-1]).mean())


def forward_transfer(
    before: Sequence[float | None], untrained: Sequence[float | None]
) -> float | None:
    """Forward transfer, ``FWT = (1/(T-1)) * sum_{j>1} (R[j-1][j] - b_j)``.

    Lopez-Paz and Ranzato, NeurIPS 2017: what the tasks so far bring a new one before it is trained,
    against ``b_j``, the metric on task j of the network as it was before the first task.

    Args:
        before: ``R[j-1][j]`` of every task but the first.
        untrained: ``b_j`` of these tasks.
    """
    gains = np.array(before, dtype=np.float64) - np.array(untrained, dtype=np.float64)
    return defined(gains.mean()) if gains.size else None


def intransigence(matrix: Matrix, joint: Matrix) -> float | None:
    """Intransigence, ``I = (1/(T-1)) * sum_{j>1} (R*[j][j] - R[j][j])``.

    Chaudhry et al., "Riemannian Walk for Incremental Learning", ECCV 2018, define ``I_j = R*[j][j]
    - R[j][j]``: how much worse a new task is learned than by a network trained on the data of all
    tasks up to it, whose result matrix is ``R*``. They report the last; here is the mean, without
    the first task, as in :func:`new_task_metric`.

    Args:
        matrix: The run's.
        joint: That of joint training on the same protocol; of more steps, those there are here.
    """
    if len(joint) < len(matrix):
        raise ValueError(f"joint training has {len(joint)} steps, the run {len(matrix)}")
    upper, reached = new_task_metric(joint[: len(matrix)]), new_task_metric(matrix)
    return None if upper is None or reached is None else upper - reached


def average_incremental(values: Sequence[float | None]) -> float | None:
    """Average incremental metric, ``A = (1/T) * sum_i a_i``.

    Rebuffi et al., iCaRL, CVPR 2017; "avg" in Douillard et al., PLOP, CVPR 2021.

    Args:
        values: ``a_i``, the metric over everything seen after step ``i``, pooled.
    """
    array = np.array(values, dtype=np.float64)
    return defined(array.mean()) if array.size else None


def summarise(matrix: Matrix, overall_per_step: Sequence[float | None]) -> dict[str, float | None]:
    """The measures of the whole sequence in the ``summary`` of ``results.json``.

    Args:
        matrix: The result matrix, one row per step done; see
            :func:`average_accuracy`.
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


def defined(value: float | None) -> float | None:
    """A number for JSON, which has no NaN: None in its place."""
    return None if value is None or np.isnan(value) else float(value)
