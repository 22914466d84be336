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
from vdfd_seg.errors import InputError

BLOCK = 32


def stacking_dtype(params: Mapping[str, Tensor]) -> torch.dtype:
    """float64 for a network in double precision, else float32."""
    double = any(parameter.dtype == torch.float64 for parameter in params.values())
    return torch.float64 if double else torch.float32


class GradientDisplacement(nn.Module):
    """``G_i.T (z(w) - z(w0)) + o_i`` for all tasks i, in a few tensor operations.

    w0 are the parameters when the object is built and ``o_i = G_i.T z(w0) - projection_star_i``
    is computed once, in float64: the plain difference of two projections would cancel in float32.

    Shapes: T tasks, r ranks, C the largest number of classes (tasks with fewer are padded with
    zeros). The filters of all parameters are concatenated, each parameter padded to whole blocks
    of ``BLOCK``, n blocks in all. ``left`` is ``(T r, n, BLOCK)`` and ``right`` ``(T, r n, C)``.

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
        sums = KernelSums(layouts, dtype, BLOCK, together=device.type != "cpu").to(device)
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
    for start, (name, layout) in zip(sums.starts, sums.layouts.items(), strict=True):
        start_sums = layout.sums(params[name], torch.float64).cpu()
        filters = slice(start, start + layout.filters)
        blocks = slice(start // BLOCK, -(-filters.stop // BLOCK))
        for task, memory in enumerate(memories):
            if name not in memory.left:
                continue
            factor, other = memory.left[name].double().cpu(), memory.right[name].double().cpu()
            left[task, : len(other), filters] = factor.t()
            right[task, : len(other), blocks, : memory.num_classes] = other.unsqueeze(1)
            offset[task, : memory.num_classes] += other.t() @ (factor.t() @ start_sums)
    return left, right, offset


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


class ClassifierDisplacement(nn.Module):
    """``(W_c - W*_c) . hbar_c + (b_c - b*_c)`` for all tasks with a classifier part.

    For logits ``f_c = W_c . h + b_c`` and the mean feature hbar of the task, by exactly this the
    mean logit of class c moves when the classifier moves. Its kernel-averaged gradient would be a
    multiple of the identity, of which a truncated decomposition would keep an arbitrary part.
    Rows are looked up by the task's output channels; the classifier may have grown.

    Args:
        memories: One per old task; those without a classifier part contribute zero.
        params: Parameters by name, the classifier's among them.

    Raises:
        InputError: If the memories name different classifiers.
    """

    feature: Tensor
    offset: Tensor
    rows: Tensor
    bias_share: Tensor
    start_weight: Tensor
    start_bias: Tensor

    def __init__(self, memories: Sequence[GradientMemory], params: Mapping[str, Tensor]) -> None:
        super().__init__()
        parts = [memory.classifier for memory in memories]
        names = {tuple(part["names"]) for part in parts if part is not None}
        if len(names) != 1:
            raise InputError(
                "the gradient memories name different classifiers: "
                + "; ".join(", ".join(each) for each in sorted(names))
            )
        self.names = names.pop()
        weight = params[self.names[0]].detach()
        dtype = stacking_dtype(params)
        classes = max(memory.num_classes for memory in memories)
        features = weight.flatten(1).shape[1]
        feature = torch.zeros(len(memories), classes, features, dtype=torch.float64)
        offset = torch.zeros(len(memories), classes, dtype=torch.float64)
        rows = torch.zeros(len(memories), classes, dtype=torch.long)
        bias_share = torch.zeros(len(memories), classes, dtype=torch.float64)
        start_weight = weight.flatten(1).double().cpu()
        for task, memory in enumerate(memories):
            part, count = memory.classifier, memory.num_classes
            if part is None:
                continue
            rows[task, :count] = torch.tensor(memory.outputs)
            feature[task, :count] = part["mean_feature"].double().cpu()
            moved = start_weight[memory.outputs] - part["rows"].flatten(1).double().cpu()
            offset[task, :count] = (moved * feature[task, :count]).sum(1)
            if len(self.names) > 1:
                bias_share[task, :count] = 1.0
                start_bias = params[self.names[1]].detach().double().cpu()
                offset[task, :count] += start_bias[memory.outputs] - part["bias"].double().cpu()
        device = weight.device
        self.register_buffer("feature", feature.to(device, dtype), persistent=False)
        self.register_buffer("rows", rows.to(device), persistent=False)
        self.register_buffer("bias_share", bias_share.to(device, dtype), persistent=False)
        self.register_buffer("offset", offset.to(device, dtype))
        self.register_buffer("start_weight", weight.flatten(1).to(dtype).clone())
        if len(self.names) > 1:
            self.register_buffer("start_bias", params[self.names[1]].detach().to(dtype).clone())

    def forward(self, params: Mapping[str, Tensor]) -> Tensor:
        """Displacements ``(T, C)`` at the given parameters."""
        dtype = self.feature.dtype
        moved = params[self.names[0]].flatten(1).to(dtype) - self.start_weight
        displacement = (moved[self.rows] * self.feature).sum(-1) + self.offset
        if len(self.names) > 1:
            bias = params[self.names[1]].to(dtype) - self.start_bias
            displacement = displacement + bias[self.rows] * self.bias_share
        return displacement
