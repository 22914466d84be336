"""First-order displacement of the old tasks' outputs (the paper's formula 2).

The Taylor expansion ``s_i - t_i ~ G_i.T (w - w_i*)`` of all old tasks i at once. With the
gradients averaged over the kernel, the weights enter only through their kernel sums z(w).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vdfd_seg.distillation.kernel_sums import KernelSums
from vdfd_seg.distillation.kernels import KernelLayout
from vdfd_seg.distillation.memory import GradientMemory, MemoryMismatchError

BLOCK = 32


def stacking_dtype(params: Mapping[str, Tensor]) -> torch.dtype:
    """float64 for a network in double precision, else float32."""
    double = any(parameter.dtype == torch.float64 for parameter in params.values())
    return torch.float64 if double else torch.float32


class GradientDisplacement(nn.Module):
    r"""``G_i.T (z(w) - z(w0)) + o_i`` for all tasks i, in a few tensor operations.

    w0 are the parameters when the object is built and ``o_i = G_i.T z(w0) - projection_star_i``
    is computed once, in float64: the plain difference of two projections would cancel in float32.

    Shapes: T tasks, r ranks, C the largest number of classes (tasks with fewer are padded with
    zeros). The filters of all parameters are concatenated, each parameter padded to whole blocks
    of ``BLOCK``, n blocks in all. ``left`` is ``(T r, n, BLOCK)`` and ``right`` ``(T, r n, C)``.

    Of a memory with a classifier's part, :math:`(W_c - W^*_c) \cdot \bar h + b_c - b^*_c` is added
    for class c: for logits :math:`W_c \cdot h + b_c` and the task's mean feature :math:`\bar h` by
    exactly this the mean logit moves when the classifier moves, which needs neither gradients nor
    rank. (Its kernel-averaged gradient would be a multiple of the identity, all of whose singular
    values are equal: a truncated decomposition would keep an arbitrary part.) Here every number of
    the classifier is a filter, and a row of it starts a block: in that of ``left`` stands
    :math:`\bar h`, or 1 for the bias, and ``right`` names the class. Rows are found by the task's
    output channels, so that the classifier may have grown, old rows first.

    Args:
        memories: One per old task.
        params: Penalised parameters by name, at w0.
    """

    left: Tensor
    right: Tensor
    offset: Tensor
    start: Tensor

    def __init__(self, memories: Sequence[GradientMemory], params: Mapping[str, Tensor]) -> None:
        super().__init__()
        params = {name: parameter.detach() for name, parameter in params.items()}
        device = next(iter(params.values())).device
        dtype = stacking_dtype(params)
        layouts = _common_layouts(memories, params)
        last = [name for name, parameter in params.items() if _lies_channels_last(parameter)]
        sums = KernelSums(layouts, dtype, BLOCK, device.type != "cpu", last).to(device)
        self.kernel_sums = sums
        self.layouts = sums.layouts
        left, right, offset = _stack(memories, sums, params)
        left = left.flatten(0, 1).unflatten(1, (-1, BLOCK))
        self.register_buffer("left", left.to(device, dtype), persistent=False)
        self.register_buffer("right", right.flatten(1, 2).to(device, dtype), persistent=False)
        # The anchor is saved: built again at other weights it would differ by rounding, and a
        # resumed run from the one that was not interrupted.
        self.register_buffer("offset", offset.to(device, dtype))
        self.register_buffer("start", sums.sums([params[name] for name in self.layouts]))

    def forward(self, params: Mapping[str, Tensor]) -> Tensor:
        """Displacements ``(T, C)`` at the given parameters."""
        moved = self.kernel_sums(params) - self.start
        scores = (self.left * moved.view(-1, BLOCK)).sum(2)
        by_task = scores.view(len(self.right), 1, -1)
        return torch.baddbmm(self.offset.unsqueeze(1), by_task, self.right).squeeze(1)


def _stack(
    memories: Sequence[GradientMemory], sums: KernelSums, params: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Factors of all tasks, ``(T, r, n BLOCK)`` and ``(T, r, n, C)``, and the offsets o_i."""
    rank = max(memory.rank for memory in memories)
    classes = max(memory.num_classes for memory in memories)
    left = torch.zeros(len(memories), rank, sums.numbers, dtype=torch.float64)
    right = torch.zeros(len(memories), rank, sums.numbers // BLOCK, classes, dtype=torch.float64)
    offset = torch.zeros(len(memories), classes, dtype=torch.float64)
    for task, memory in enumerate(memories):
        offset[task, : memory.num_classes] -= memory.projection_star.cpu()
    for place, (name, layout) in zip(sums.places, sums.layouts.items(), strict=True):
        if layout.apart:
            continue
        start_sums = layout.sums(params[name], torch.float64).cpu()
        filters = slice(place.start, place.start + layout.filters)
        blocks = slice(place.start // BLOCK, -(-filters.stop // BLOCK))
        for task, memory in enumerate(memories):
            if name not in memory.left:
                continue
            factor, other = memory.left[name].double().cpu(), memory.right[name].double().cpu()
            left[task, : len(other), filters] = factor.t()
            right[task, : len(other), blocks, : memory.num_classes] = other.unsqueeze(1)
            offset[task, : memory.num_classes] += other.t() @ (factor.t() @ start_sums)
    for task, memory in enumerate(memories):
        _stack_classifier(memory, sums, params, left[task, 0], right[task, 0], offset[task])
    return left, right, offset


def _stack_classifier(
    memory: GradientMemory,
    sums: KernelSums,
    params: Mapping[str, Tensor],
    left: Tensor,
    right: Tensor,
    offset: Tensor,
) -> None:
    """Write a memory's classifier, if it has one, into its task's first rank and offsets."""
    if memory.classifier is None:
        return
    part, places = memory.classifier, dict(zip(sums.layouts, sums.places, strict=True))
    kept = ((part["rows"], part["mean_feature"]), (part["bias"], torch.ones(1)))
    for name, (rows, factor) in zip(part["names"], kept, strict=False):
        place = places[name]
        factor = factor.double().cpu().expand(memory.num_classes, place.width)
        place.of(left)[memory.outputs] = factor
        blocks = slice(place.start // BLOCK, place.stop // BLOCK)
        of_rows = right[blocks].view(-1, place.padded // BLOCK, right.shape[1])
        of_rows[memory.outputs, :, torch.arange(memory.num_classes)] = 1.0
        start = params[name].detach()[memory.outputs].double().cpu()
        moved = (start - rows.double().cpu().view_as(start)).view(len(start), -1)
        offset[: len(start)] += (moved * factor).sum(1)


def _common_layouts(
    memories: Sequence[GradientMemory], params: Mapping[str, Tensor]
) -> dict[str, KernelLayout]:
    covered: dict[str, KernelLayout] = {}
    for memory in memories:
        names = memory.classifier["names"] if memory.classifier else ()
        classifier = {name: KernelLayout(tuple(params[name].shape), apart=True) for name in names}
        for name, layout in {**memory.layouts, **classifier}.items():
            if covered.setdefault(name, layout) != layout:
                raise MemoryMismatchError(
                    f"two gradient memories divide parameter '{name}' into filters differently."
                )
    return {name: covered[name] for name in params if name in covered}


def _lies_channels_last(parameter: Tensor) -> bool:
    last = parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return last and not parameter.is_contiguous()
