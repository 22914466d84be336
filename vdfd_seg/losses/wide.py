"""The precision that losses are computed in, and squares in it."""

import torch
from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def difference_of_squares(new: Tensor, old: Tensor) -> Tensor:
    r"""Elementwise :math:`x^2 - y^2`, in float32 at least: half-precision squares overflow."""
    new, old = wide(new), wide(old)
    # (x - y)(x + y) keeps the digits that x^2 - y^2 loses where the maps are nearly equal.
    return (new - old) * (new + old)
