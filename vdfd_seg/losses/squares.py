"""Squares of maps, in a precision that holds them."""

from torch import Tensor

from vdfd_seg.losses.wide import wide


def difference_of_squares(new: Tensor, old: Tensor) -> Tensor:
    r"""Elementwise :math:`x^2 - y^2`, in float32 at least: half-precision squares overflow."""
    new, old = wide(new), wide(old)
    # (x - y)(x + y) keeps the digits that x^2 - y^2 loses where the maps are nearly equal.
    return (new - old) * (new + old)
