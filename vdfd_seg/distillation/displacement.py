"""First-order displacement of the old tasks' outputs (the paper's formula 2).

The Taylor expansion ``s_i - t_i ~ G_i.T (w - w_i*)`` of all old tasks i at once. With the
gradients averaged over the kernel, the weights enter through their kernel sums z(w) alone.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vdfd_seg.distillation.kernels import KernelLayout
from vdfd_seg.distillation.memory import GradientMemory, MemoryMismatchError

StepSizes = Mapping[str, "float | Tensor"]


def stacking_dtype(params: Mapping[str, Tensor]) -> torch.dtype:
    """float64 for a network in double precision, else float32."""
    double = any(parameter.dtype == torch.float64 for parameter in params.values())
    return torch.float64 if double else torch.float32


class GradientDisplacement(nn.Module):
    """``G_i.T (z(w) - z(w0)) + o_i`` for all tasks i, in three tensor operations.

    w0 are the parameters when the object is built and ``o_i = G_i.T z(w0) - projection_star_i``
    is computed once, in float64: the plain difference of two projections would cancel in float32.

    Shapes: D numbers of filters of all L covered parameters together, T tasks, r ranks, C the
    largest number of classes (tasks with fewer are padded with zeros). ``left`` is ``(D, T r)``,
    ``right`` ``(T, L r, C)``.

    Args:
        memories: One per old task.
        params: Penalised parameters by name, at w0.
    """

    def __init__(self, memories: Sequence[GradientMemory], params: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.layouts = _common_layouts(memories, params)
        params = {name: parameter.detach() for name, parameter in params.items()}
        dtype = stacking_dtype(params)
        device = next(iter(params.values())).device
        rank = max(memory.rank for memory in memories)
        classes = max(memory.num_classes for memory in memories)
        filters = [layout.filters for layout in self.layouts.values()]
        left = torch.zeros(sum(filters), len(memories), rank, dtype=torch.float64)
        right = torch.zeros(len(memories), len(filters), rank, classes, dtype=torch.float64)
        offset = torch.zeros(len(memories), classes, dtype=torch.float64)
        start_sums = self._kernel_sums(params, torch.float64).cpu()
        for task, memory in enumerate(memories):
            start = 0
            for index, (name, size) in enumerate(zip(self.layouts, filters, strict=True)):
                if name in memory.left:
                    kept = memory.left[name].shape[1]
                    left[start : start + size, task, :kept] = memory.left[name].cpu()
                    right[task, index, :kept, : memory.num_classes] = memory.right[name].cpu()
                    scores = left[start : start + size, task].t() @ start_sums[start : start + size]
                    offset[task] += right[task, index].t() @ scores
                start += size
            offset[task, : memory.num_classes] -= memory.projection_star.cpu()
        segment = torch.repeat_interleave(torch.arange(len(filters)), torch.tensor(filters))
        entries = [float(layout.entries) for layout in self.layouts.values()]
        buffers = {
            "left": left.flatten(1).to(dtype),
            "right": right.flatten(1, 2).to(dtype),
            "offset": offset.to(dtype),
            "start": self._kernel_sums(params, dtype),
            "segment": segment,
            "entries": torch.tensor(entries, dtype=dtype),
        }
        for name, value in buffers.items():
            # The anchor is saved: built anew at other weights it would differ by rounding, and a
            # resumed run from the one that was not interrupted.
            self.register_buffer(name, value.to(device), persistent=name in ("start", "offset"))

    def _kernel_sums(self, params: Mapping[str, Tensor], dtype: torch.dtype) -> Tensor:
        return torch.cat(
            [layout.sums(params[name], dtype) for name, layout in self.layouts.items()]
        )

    def _segment_sums(self, values: Tensor) -> Tensor:
        """Sum ``(D, n)`` over the filters of each parameter: ``(L, n)``."""
        out = values.new_zeros(len(self.layouts), values.shape[1])
        return out.index_add(0, self.segment, values)

    def forward(self, params: Mapping[str, Tensor]) -> Tensor:
        """Displacements ``(T, C)`` at the given parameters."""
        moved = self._kernel_sums(params, self.start.dtype) - self.start
        tasks, _, classes = self.right.shape
        scores = self._segment_sums(self.left * moved[:, None])
        by_task = scores.view(len(self.layouts), tasks, -1).transpose(0, 1).reshape(tasks, 1, -1)
        return torch.bmm(by_task, self.right).view(tasks, classes) + self.offset

    def gram(self, step_size: "float | StepSizes", params: Mapping[str, Tensor]) -> Tensor:
        """``A diag(step) A.T``, ``(T C, T C)``, for the displacements' Jacobian A, in float64."""
        weights = []
        for index, (name, layout) in enumerate(self.layouts.items()):
            step = step_size if isinstance(step_size, (int, float)) else step_size[name]
            if isinstance(step, Tensor) and step.ndim:
                weights.append(layout.sums(step.expand(layout.shape), torch.float64))
            else:
                total = self.entries[index].double() * float(step)
                weights.append(total.expand(layout.filters))
        left = self.left.double()
        scaled = left * torch.cat([weight.to(left.device) for weight in weights])[:, None]
        tasks, _, classes = self.right.shape
        right = self.right.double().view(tasks, len(self.layouts), -1, classes)
        columns = [self._segment_sums(scaled * column[:, None]) for column in left.t()]
        inner = torch.stack(columns, 1).view(len(self.layouts), tasks, -1, tasks, right.shape[2])
        half = torch.einsum("lasbt,blti->lasbi", inner, right)
        return torch.einsum("alsj,lasbi->ajbi", right, half).reshape(tasks * classes, -1)

    @torch.no_grad()
    def move(
        self, amounts: Tensor, step_size: "float | StepSizes", params: Mapping[str, Tensor]
    ) -> None:
        """``w <- w - diag(step) A.T amounts``, in place, for ``(T, C)`` amounts."""
        tasks, _, classes = self.right.shape
        scores = torch.bmm(self.right.double(), amounts.double().view(tasks, classes, 1))
        by_layer = scores.view(tasks, len(self.layouts), -1).transpose(0, 1).flatten(1)
        per_filter = (self.left.double() * by_layer[self.segment]).sum(1)
        sizes = [layout.filters for layout in self.layouts.values()]
        for (name, layout), values in zip(
            self.layouts.items(), per_filter.split(sizes), strict=True
        ):
            step = step_size if isinstance(step_size, (int, float)) else step_size[name]
            change = layout.spread(values.to(params[name].device)) * step
            params[name].sub_(change.to(params[name].dtype))


def _common_layouts(
    memories: Sequence[GradientMemory], params: Mapping[str, Tensor]
) -> dict[str, KernelLayout]:
    covered: dict[str, KernelLayout] = {}
    for memory in memories:
        for name, layout in memory.layouts.items():
            if covered.setdefault(name, layout) != layout:
                raise MemoryMismatchError(
                    f"two gradient memories divide parameter '{name}' into filters differently."
                )
    return {name: covered[name] for name in params if name in covered}
