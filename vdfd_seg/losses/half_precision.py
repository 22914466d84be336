"""The precision that losses are computed in, and squares in it."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def wide(tensor: Tensor) -> Tensor:
    """The tensor in float32 at least."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def difference_of_squares(new: Tensor, old: Tensor) -> Tensor:
    r"""Elementwise :math:`x^2 - y^2`, in float32 at least: half-precision squares overflow."""
    return _DifferenceOfSquares.apply(new, old)


class _DifferenceOfSquares(torch.autograd.Function):
    """With one product for the gradient; autograd would keep difference and sum, two maps."""

    @staticmethod
    def forward(ctx, new, old):
        ctx.save_for_backward(*(x if n else None for x, n in zip((new, old), ctx.needs_input_grad)))
        new, old = wide(new), wide(old)
        # (x - y)(x + y) keeps the digits that x^2 - y^2 loses where the maps are nearly equal.
        return (new - old).mul_(new + old)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        maps = zip(ctx.saved_tensors, (2, -2), strict=True)
        return tuple(
            None if each is None else (gradient * each).mul_(factor).to(each.dtype)
            for each, factor in maps
        )
