"""Kernel sums of many parameters at once, and their gradient, in a few large operations.

On a GPU the cost of the penalty is the number of kernels launched, not their arithmetic. One
reduction a parameter, and one addition in the backward pass, are hundreds in a deep network. On a
CPU a launch is free, and a copy of all parameters is what costs.
"""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from vdfd_seg.distillation.kernel_places import PIECE, placed
from vdfd_seg.distillation.kernels import KernelLayout


class KernelSums(nn.Module):
    """``z[o] = sum_k w[o, k]`` of the filters of all parameters, differentiable.

    Args:
        layouts: Layout of each parameter, by name.
        dtype: Of the sums.
        block: The sums of each parameter, of a classifier those of each row, are padded with zeros
            to a multiple of this number.
        together: Whether all parameters are put side by side, as a GPU needs it: the number of
            operations depends neither on how many there are nor on their shapes. Else they are
            summed, and their gradients added, one by one.
        channels_last: Names of the parameters that lie so in memory.

    Attributes:
        layouts: The parameters in the order of their filters in the sums.
        places: Where the sums of each are.
        numbers: Length of the sums.
    """

    lengths: Tensor
    order: Tensor | None
    inverse: Tensor | None

    def __init__(
        self,
        layouts: Mapping[str, KernelLayout],
        dtype: torch.dtype,
        block: int = 1,
        together: bool = False,
        channels_last: Container[str] = (),
    ) -> None:
        super().__init__()
        self.dtype = dtype
        self.together = together
        self.layouts, self.places = placed(layouts, block, channels_last)
        self.numbers = self.places[-1].stop if self.places else 0
        self._sizes = [math.prod(layout.shape) for layout in self.layouts.values()]
        sizes = zip(self.places, self._sizes, strict=True)
        self._divided = sum(size for place, size in sizes if place.piece > 1)
        if together:
            self._lay_out()
        self._deferred = False
        self._pending: Tensor | None = None

    def _lay_out(self) -> None:
        filters = torch.cat([place.filter_of_piece() for place in self.places])
        lengths = torch.bincount(filters, minlength=self.numbers).int()
        self.register_buffer("lengths", lengths, persistent=False)
        # Where a filter's pieces do not stand together (transposed convolutions): how they would.
        order = filters.argsort(stable=True)
        apart = bool((filters.diff() < 0).any())
        self.register_buffer("order", order if apart else None, persistent=False)
        self.register_buffer("inverse", order.argsort() if apart else None, persistent=False)
        self._pieces = len(filters)

    def forward(self, params: Mapping[str, Tensor]) -> Tensor:
        """The sums at the given parameters."""
        return _Sums.apply(self, *(params[name] for name in self.layouts))

    @contextmanager
    def deferred(self, params: Mapping[str, Tensor]) -> Iterator[None]:
        """Add the gradient of a backward pass within to ``.grad`` at its end, in one operation.

        Under DistributedDataParallel the result is that of autograd, which adds it parameter by
        parameter: the gradient is that of every process, so its mean over processes is itself.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
            pending, self._pending = self._pending, None
        if pending is not None:
            self._add(params, pending)

    def by_parameter(self, values: Tensor) -> list[Tensor]:
        """Of values in the places of the sums, those of each parameter's filters: views."""
        return [place.of(values) for place in self.places]

    def sums(self, tensors: Sequence[Tensor]) -> Tensor:
        """The sums of tensors in the order of :attr:`layouts`, without a graph."""
        pairs = zip(self.places, tensors, strict=True)
        if not self.together:
            found = tensors[0].new_zeros(self.numbers, dtype=self.dtype)
            for place, tensor in pairs:
                part = place.of(found)
                part.copy_(place.layout.sums(tensor, self.dtype).view(part.shape))
            return found
        flat = torch.cat([place.in_memory(tensor).reshape(-1) for place, tensor in pairs])
        pieces = flat.new_empty(self._pieces, dtype=self.dtype)
        for numbers, found in zip(self._numbers(flat), self._summed(pieces), strict=True):
            torch.sum(numbers, 1, dtype=self.dtype, out=found)
        if self.order is not None:
            pieces = pieces.index_select(0, self.order)
        return torch.segment_reduce(pieces, "sum", lengths=self.lengths, unsafe=True)

    def _numbers(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of all parameters side by side, a row for each piece of either length."""
        return flat[: self._divided].view(-1, PIECE), flat[self._divided :].view(-1, 1)

    def _summed(self, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """The pieces of either length."""
        return pieces[: self._divided // PIECE], pieces[self._divided // PIECE :]

    @torch.no_grad()
    def _add(self, params: Mapping[str, Tensor], gradient: Tensor) -> None:
        present, added = [], []
        named = zip(self.layouts, self.places, strict=True)
        for part, (name, place) in zip(self._gradients(gradient), named, strict=True):
            parameter = params[name]
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if not self.together:
                parameter.grad.add_(part)
                continue
            rows = place.in_memory(parameter.grad)
            if rows.is_contiguous():
                present.append(rows.view(-1))
                added.append(part)
            else:
                rows.add_(part.view(rows.shape))
        if present:
            torch._foreach_add_(present, added)

    def _one_by_one(self, gradient: Tensor) -> list[Tensor]:
        """The gradient of each parameter, in its shape."""
        parts = zip(self.by_parameter(gradient), self.layouts.values(), strict=True)
        return [layout.broadcast(part) for part, layout in parts]

    def _gradients(self, gradient: Tensor) -> Sequence[Tensor]:
        """The gradient of every number of each parameter."""
        if not self.together:
            return self._one_by_one(gradient)
        filters = torch.repeat_interleave(self.lengths, output_size=self._pieces)
        pieces = gradient.index_select(0, filters)
        if self.inverse is not None:
            pieces = pieces.index_select(0, self.inverse)
        flat = gradient.new_empty(sum(self._sizes))
        for numbers, found in zip(self._numbers(flat), self._summed(pieces), strict=True):
            numbers.copy_(found.unsqueeze(1))
        return flat.split(self._sizes)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, sums: KernelSums, *tensors: Tensor) -> Tensor:
        ctx.sums, ctx.dtypes = sums, [tensor.dtype for tensor in tensors]
        return sums.sums(tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        sums = ctx.sums
        if sums._deferred:
            pending = sums._pending
            sums._pending = gradient if pending is None else pending + gradient
            return (None,) * (1 + len(ctx.dtypes))
        parts = zip(sums._one_by_one(gradient), ctx.dtypes, strict=True)
        return (None, *(part.to(dtype) for part, dtype in parts))
