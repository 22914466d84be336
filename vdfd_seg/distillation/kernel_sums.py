"""Kernel sums of many parameters at once, and their gradient, in a few large operations.

On a GPU the cost of the penalty is the number of kernels launched, not their arithmetic. One
reduction a parameter, and one addition in the backward pass, are hundreds in a deep network.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vdfd_seg.distillation.kernels import KernelLayout


class KernelSums:
    """``z[o] = sum_k w[o, k]`` of the filters of all parameters, ``(D,)``, differentiable.

    Parameters are put side by side, ordered by the number K of their kernel entries: the filters of
    one K are then the rows of one matrix, and there is one reduction for each different K. The
    gradient, one number a filter, is spread over such matrices.

    Args:
        layouts: Layout of each parameter, by name.
        dtype: Of the sums.

    Attributes:
        layouts: The parameters in the order of their filters in the sums.
    """

    def __init__(self, layouts: Mapping[str, KernelLayout], dtype: torch.dtype) -> None:
        self.layouts = dict(sorted(layouts.items(), key=lambda item: item[1].entries))
        self.dtype = dtype
        # Filters of each K, and numbers of each parameter.
        self._filters: dict[int, int] = {}
        for layout in self.layouts.values():
            known = self._filters.get(layout.entries, 0)
            self._filters[layout.entries] = known + layout.filters
        self._sizes = [layout.filters * layout.entries for layout in self.layouts.values()]
        self._deferred = False
        self._pending: Tensor | None = None

    def __call__(self, params: Mapping[str, Tensor]) -> Tensor:
        """The sums at the given parameters."""
        return _Sums.apply(self, *(params[name] for name in self.layouts))

    @contextmanager
    def deferred(self, params: Mapping[str, Tensor]) -> Iterator[None]:
        """Add the gradient of a backward pass within to ``.grad`` at its end, in one operation.

        Autograd would add it parameter by parameter. Under DistributedDataParallel the result is
        the same: the gradient is that of every process, so its mean over processes is itself.
        """
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False
            pending, self._pending = self._pending, None
        if pending is not None:
            self._add(params, pending)

    def matrices(self, flat: Tensor) -> list[Tensor]:
        """Of the numbers of all parameters side by side, the filters of each K: ``(d, K)``."""
        parts = flat.split([entries * count for entries, count in self._filters.items()])
        return [part.view(-1, k) for part, k in zip(parts, self._filters, strict=True)]

    def sums(self, tensors: Sequence[Tensor]) -> Tensor:
        """The sums of tensors in the order of :attr:`layouts`, without a graph."""
        pairs = zip(tensors, self.layouts.values(), strict=True)
        flat = torch.cat([_filter_by_filter(*pair).reshape(-1) for pair in pairs])
        return torch.cat([matrix.sum(1, dtype=self.dtype) for matrix in self.matrices(flat)])

    @torch.no_grad()
    def _add(self, params: Mapping[str, Tensor], gradient: Tensor) -> None:
        flat = gradient.new_empty(sum(self._sizes))
        parts = gradient.split(list(self._filters.values()))
        for matrix, part in zip(self.matrices(flat), parts, strict=True):
            matrix.copy_(part.unsqueeze(1))
        present, added = [], []
        for part, (name, layout) in zip(flat.split(self._sizes), self.layouts.items(), strict=True):
            parameter = params[name]
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            rows = _filter_by_filter(parameter.grad, layout)
            if rows.is_contiguous():
                present.append(rows.view(-1))
                added.append(part)
            else:
                rows.add_(part.view(rows.shape))
        torch._foreach_add_(present, added)


def _filter_by_filter(tensor: Tensor, layout: KernelLayout) -> Tensor:
    """A view in which one filter's numbers stand behind another's, in whatever order of theirs."""
    if layout.groups:
        return tensor.unflatten(0, (layout.groups, -1)).transpose(1, 2)
    if tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1)
    return tensor


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
        layouts = sums.layouts.values()
        parts = gradient.split([layout.filters for layout in layouts])
        spread = zip(parts, layouts, ctx.dtypes, strict=True)
        return (None, *(layout.spread(part).to(dtype) for part, layout, dtype in spread))
