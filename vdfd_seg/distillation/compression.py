"""Truncated singular value decomposition of the mean gradients (the paper's formula 5)."""

import torch
from torch import Tensor


def truncated_svd(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best approximation of rank r of a ``(d, C)`` matrix, as two factors.

    Exact (no random projections, as in the released code) and deterministic: in each left
    singular vector the entry of largest magnitude is made positive.

    Args:
        matrix: ``(d, C)``.
        rank: r; what exceeds min(d, C) is cut.

    Returns:
        Left singular vectors times singular values ``(d, r)`` and right singular vectors
        ``(r, C)``, in the matrix's dtype.
    """
    left, singular, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    left, singular, right = left[:, :rank], singular[:rank], right[:rank]
    largest = left.gather(0, left.abs().argmax(0, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0)
    left = left * sign * singular
    right = right * sign.t()
    return left.to(matrix.dtype), right.to(matrix.dtype)
