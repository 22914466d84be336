"""The precision that losses are computed in."""

import torch
from torch import Tensor


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
