"""The classifier's own share of the displacement, which needs neither gradients nor rank.

For logits ``f_c = W_c . h + b_c`` and the mean feature hbar of the task, the mean logit of class c
moves by exactly ``(W_c - W*_c) . hbar + (b_c - b*_c)`` when the classifier moves. Its
kernel-averaged gradient would be a multiple of the identity, all of whose singular values are
equal: a truncated decomposition would keep an arbitrary part.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vdfd_seg.distillation.displacement import stacking_dtype
from vdfd_seg.distillation.memory import GradientMemory
from vdfd_seg.errors import InputError


class ClassifierDisplacement(nn.Module):
    """``(W_c - W*_c) . hbar_c + (b_c - b*_c)`` for all tasks with a classifier part.

    Rows are looked up by the task's output channels, so a classifier that has grown (old rows
    first) is handled. All tasks must name the same classifier.

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
        buffers = {
            "feature": feature.to(dtype),
            "offset": offset.to(dtype),
            "rows": rows,
            "bias_share": bias_share.to(dtype),
            "start_weight": weight.flatten(1).to(dtype).clone(),
        }
        if len(self.names) > 1:
            buffers["start_bias"] = params[self.names[1]].detach().to(dtype).clone()
        for name, value in buffers.items():
            anchor = name == "offset" or name.startswith("start")
            self.register_buffer(name, value.to(weight.device), persistent=anchor)

    def forward(self, params: Mapping[str, Tensor]) -> Tensor:
        """Displacements ``(T, C)`` at the given parameters."""
        dtype = self.feature.dtype
        moved = params[self.names[0]].flatten(1).to(dtype) - self.start_weight
        displacement = (moved[self.rows] * self.feature).sum(-1) + self.offset
        if len(self.names) > 1:
            bias = params[self.names[1]].to(dtype) - self.start_bias
            displacement = displacement + bias[self.rows] * self.bias_share
        return displacement
