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

    Parameters are copied side by side into one buffer, ordered by the number K of their kernel
    entries: the filters of one K are then the rows of one matrix, and there is one reduction for
    each different K. The gradient, one number a filter, is spread over the same buffer.

    Args:
        layouts: Layout of each parameter, by name.
        params: Tensors of these names, for device and memory format.
        dtype: Of the sums.

    Attributes:
        layouts: The parameters in the order of their filters in the sums.
    """

    def __init__(
        self, layouts: Mapping[str, KernelLayout], params: Mapping[str, Tensor], dtype: torch.dtype
    ) -> None:
        self.layouts = dict(sorted(layouts.items(), key=lambda item: item[1].entries))
        rows: dict[int, int] = {}
        for layout in self.layouts.values():
            rows[layout.entries] = rows.get(layout.entries, 0) + layout.filters
        sizes = [layout.filters * layout.entries for layout in self.layouts.values()]
        buffer = torch.empty(sum(sizes), dtype=dtype, device=next(iter(params.values())).device)
        self._rows = list(rows.values())
        parts = buffer.split([count * entries for entries, count in rows.items()])
        self._matrices = [
            part.view(-1, entries) for part, entries in zip(parts, rows, strict=True)
        ]
        self._slots = [
            _slot(part, layout, params[name])
            for part, (name, layout) in zip(
                buffer.split(sizes), self.layouts.items(), strict=True
            )
        ]
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

    @torch.no_grad()
    def _add(self, params: Mapping[str, Tensor], gradient: Tensor) -> None:
        for matrix, part in zip(self._matrices, gradient.split(self._rows), strict=True):
            matrix.copy_(part.unsqueeze(1))
        present, added = [], []
        for slot, (name, layout) in zip(self._slots, self.layouts.items(), strict=True):
            parameter = params[name]
            if not parameter.requires_grad:
                continue
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            present.append(_as_slot(parameter.grad, layout))
            added.append(slot)
        torch._foreach_add_(present, added)

    def _sums(self, tensors: Sequence[Tensor]) -> Tensor:
        sources = [
            _as_slot(tensor, layout)
            for tensor, layout in zip(tensors, self.layouts.values(), strict=True)
        ]
        torch._foreach_copy_(self._slots, sources)
        return torch.cat([matrix.sum(1) for matrix in self._matrices])


def _slot(part: Tensor, layout: KernelLayout, parameter: Tensor) -> Tensor:
    """``(d K,)`` numbers, filter by filter, as a view in the shape of :func:`_as_slot`."""
    if layout.groups:
        grouped = (layout.groups, layout.shape[1], -1, *layout.shape[2:])
        return part.view(grouped).transpose(1, 2)
    if parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last):
        # The same strides on both sides make the copy of all parameters one operation.
        return part.as_strided(layout.shape, parameter.stride())
    return part.view(layout.shape)


def _as_slot(tensor: Tensor, layout: KernelLayout) -> Tensor:
    # The filters of a transposed convolution of several groups lie in two dimensions.
    return tensor.unflatten(0, (layout.groups, -1)) if layout.groups else tensor


def _spread(values: Tensor, layout: KernelLayout) -> Tensor:
    """One value per filter ``(d,)``, as a tensor of the parameter's shape."""
    kernel = [1] * (len(layout.shape) - 2)
    if layout.groups:
        grouped = values.view(layout.groups, 1, layout.shape[1], *kernel)
        inputs = layout.shape[0] // layout.groups
        return grouped.expand(-1, inputs, *layout.shape[1:]).reshape(layout.shape)
    return values.view(layout.shape[:1] + (1,) * (len(layout.shape) - 1)).expand(layout.shape)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, sums: KernelSums, *tensors: Tensor) -> Tensor:
        ctx.sums, ctx.dtypes = sums, [tensor.dtype for tensor in tensors]
        return sums._sums(tensors)

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
        return (None, *(_spread(part, layout).to(dtype) for part, layout, dtype in spread))
