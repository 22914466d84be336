"""The gradient memory of a task: all that is kept of it (the paper's formulas 2 and 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from vdfd_seg.distillation.kernels import KernelLayout
from vdfd_seg.errors import InputError

STATE_VERSION = 1


def truncated_svd(matrix: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best approximation of rank r of a ``(d, C)`` matrix, as two factors (formula 5).

    Exact and deterministic: in each left singular vector the entry of largest magnitude is made
    positive. A rank that exceeds min(d, C) is cut.

    Returns:
        Left singular vectors times singular values ``(d, r)`` and right singular vectors
        ``(r, C)``, in the matrix's dtype.
    """
    left, singular, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    left, singular, right = left[:, :rank], singular[:rank], right[:rank]
    largest = left.gather(0, left.abs().argmax(0, keepdim=True))
    sign = torch.where(largest < 0, -1.0, 1.0)
    left = left * sign * singular
    right = right * sign.t()
    return left.to(matrix.dtype), right.to(matrix.dtype)


class MemoryMismatchError(InputError):
    """A gradient memory and a network whose parameters do not match."""


@dataclass
class GradientMemory:
    """Compressed mean gradients of the C outputs of one task, and where they were taken.

    ``g_l`` is the ``(d_l, C)`` mean gradient of parameter l, averaged over the kernel, and
    ``z_l(w)`` are the parameter's ``(d_l,)`` kernel sums. The memory keeps the truncated singular
    value decomposition ``g_l ~ left_l @ right_l`` and the projection
    ``projection_star = sum_l right_l.T @ left_l.T @ z_l(w*)`` at the task's final weights ``w*``.

    Attributes:
        left: ``(d_l, r)`` left singular vectors times singular values, by parameter name.
        right: ``(r, C)`` right singular vectors, by parameter name.
        layouts: How each parameter divides into filters.
        projection_star: ``(C,)``, float64.
        outputs: Output channel of each of the C classes.
        prototypes: ``(C, d)`` classifier rows at the end of the task, of which the GCN precision
            makes the class graph; None without.
        unreached: Names of parameters on which no output depends.
        classifier: None, or the classifier's own part (see
            :class:`~vdfd_seg.distillation.displacement.GradientDisplacement`): a dict of
            ``mean_feature`` ``(d,)`` or ``(C, d)``, ``rows`` ``(C, d)``, ``bias`` ``(C,)`` or
            None, and ``names``, a list of the classifier's parameters.
        images: Number of images the mean was taken over.
    """

    left: dict[str, Tensor]
    right: dict[str, Tensor]
    layouts: dict[str, KernelLayout]
    projection_star: Tensor
    outputs: list[int]
    prototypes: Tensor | None = None
    unreached: list[str] = field(default_factory=list)
    classifier: dict[str, Any] | None = None
    images: int = 0

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.outputs)

    @property
    def rank(self) -> int:
        """Largest rank kept of any parameter."""
        return max(factor.shape[1] for factor in self.left.values())

    def mean_gradient(self, name: str) -> Tensor:
        """``(d, C)`` mean gradient of a parameter as the memory has it."""
        return self.left[name] @ self.right[name]

    def check(self, params: Mapping[str, Tensor]) -> None:
        """Refuse penalised parameters, by name, that are not those of this memory.

        Raises:
            MemoryMismatchError: Naming the first parameter that is missing, of another shape, or
                unknown to the memory.
        """
        names = self.classifier["names"] if self.classifier else []
        for name in (*self.layouts, *names):
            if name not in params:
                raise MemoryMismatchError(
                    f"the gradient memory covers parameter '{name}', which the network lacks."
                )
        for name, layout in self.layouts.items():
            if tuple(params[name].shape) != layout.shape:
                raise MemoryMismatchError(
                    f"parameter '{name}' has shape {tuple(params[name].shape)}, the gradient "
                    f"memory was taken with {layout.shape}."
                )
        for name in names:
            if len(params[name]) <= max(self.outputs):
                raise MemoryMismatchError(
                    f"the classifier's '{name}' has {len(params[name])} rows, the gradient memory "
                    f"needs row {max(self.outputs)}."
                )
        known = {*self.layouts, *self.unreached, *names}
        for name in params:
            if name not in known:
                raise MemoryMismatchError(
                    f"parameter '{name}' is not covered by the gradient memory: was it frozen when "
                    "that task ended? Then it must stay so, or train from the first step on."
                )

    def reanchored(self, params: Mapping[str, Tensor]) -> "GradientMemory":
        """This memory with the classifier's present rows as the ones to hold on to.

        Growth may have moved old rows, as MiB's moves the background's bias.
        """
        if self.classifier is None:
            return self
        weight, *bias = (params[name].detach() for name in self.classifier["names"])
        rows = weight[self.outputs].flatten(1).clone()
        moved = {**self.classifier, "rows": rows}
        if bias:
            moved["bias"] = bias[0][self.outputs].clone()
        return replace(self, classifier=moved)

    def tensors(self) -> list[Tensor]:
        """All tensors stored."""
        parts = [*self.left.values(), *self.right.values(), self.projection_star, self.prototypes]
        parts += (self.classifier or {}).values()
        return [item for item in parts if isinstance(item, Tensor)]

    @property
    def numbers(self) -> int:
        """Count of all numbers stored."""
        return sum(item.numel() for item in self.tensors())

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors stored."""
        return sum(item.numel() * item.element_size() for item in self.tensors())

    def to_state(self) -> dict[str, Any]:
        """Plain tensors, numbers, strings, lists and dicts, for ``torch.save``."""
        state = {part.name: getattr(self, part.name) for part in fields(self)}
        layouts = state.pop("layouts")
        shapes = {name: list(layout.shape) for name, layout in layouts.items()}
        groups = {name: layout.groups for name, layout in layouts.items()}
        return {"version": STATE_VERSION, **state, "shapes": shapes, "groups": groups}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "GradientMemory":
        """The memory that :meth:`to_state` wrote.

        Raises:
            InputError: For a state of another version or with a missing entry.
        """
        if state.get("version") != STATE_VERSION:
            raise InputError(
                f"gradient memory of version {state.get('version')}, expected {STATE_VERSION}."
            )
        try:
            layouts = {
                name: KernelLayout(tuple(shape), state["groups"][name])
                for name, shape in state["shapes"].items()
            }
            names = {part.name for part in fields(cls)} - {"layouts"}
            return cls(layouts=layouts, **{name: state[name] for name in sorted(names)})
        except KeyError as error:
            raise InputError(f"gradient memory without its entry {error}.") from None
