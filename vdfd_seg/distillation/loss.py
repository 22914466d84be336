"""The variational data-free distillation loss (the paper's formula 3)."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from vdfd_seg.distillation.displacement import GradientDisplacement
from vdfd_seg.distillation.memory import GradientMemory
from vdfd_seg.distillation.precision import Precision, precision_of
from vdfd_seg.errors import InputError, unknown_name

ACCUMULATIONS = ("sum", "last")


class VariationalDistillationLoss(nn.Module):
    """``sum_i delta_i.T P_i delta_i - log det(P_i + eps I)`` over the old tasks i.

    ``delta_i`` is the first-order displacement of the task's outputs
    (:mod:`~vdfd_seg.distillation.displacement`), ``P_i`` the precision that the graph
    convolutional network gives (:mod:`~vdfd_seg.distillation.precision`). As in the released code
    eps enters only the determinant. Its gradient reaches the network and the GCN.

    The network's parameters are held, not registered: ``parameters()`` are the GCN's. Everything
    is computed in float32 (float64 for a network in float64), outside autocast. The reference
    weights w0 are those at construction; their kernel sums are in ``state_dict()``, so that a loss
    built again and loaded continues exactly.

    Args:
        memories: Gradient memories of the old tasks, at least one.
        params: Penalised parameters by name, with the classifier's if memories have its part.
        precision: ``'gcn'`` (default), a dict of :class:`~vdfd_seg.distillation.precision.GCN`'s
            options, or ``'identity'``: DFD, without GCN and without the constant log-determinant.
        eps: Default 1e-3, as in the released code.
        accumulation: ``'sum'`` over the old tasks (default), or ``'last'``, as the released
            class-incremental code: only the most recent task, with its quadratic term multiplied by
            the square of the number of old tasks.

    Attributes:
        params: The penalised parameters by name.
        precision: The precision's options, None for the identity.
        precision_model: The :class:`TaskPrecisions`, or None.

    Raises:
        InputError: Without memories, for memories without prototypes, for prototypes of different
            lengths, for eps not positive.
        MemoryMismatchError: For a memory that does not fit the parameters.
    """

    def __init__(
        self,
        memories: Sequence[GradientMemory],
        params: Mapping[str, nn.Parameter],
        precision: Precision = "gcn",
        eps: float = 1e-3,
        accumulation: str = "sum",
    ) -> None:
        super().__init__()
        if not memories:
            raise InputError("a distillation loss needs the memory of at least one old task.")
        self.precision = precision_of(precision)
        if accumulation not in ACCUMULATIONS:
            raise unknown_name("accumulation", accumulation, ACCUMULATIONS)
        if not eps > 0:
            raise InputError(f"eps must be positive, not {eps}.")
        for memory in memories:
            memory.check(params)
        self.quadratic_factor = 1.0
        if accumulation == "last":
            self.quadratic_factor = float(len(memories) ** 2)
            memories = memories[-1:]
        self.eps = float(eps)
        self.params = dict(params)
        self._device = next(iter(self.params.values())).device
        self.sizes = [memory.num_classes for memory in memories]
        self.displacement = GradientDisplacement(memories, self.params)
        self.precision_model = None
        if self.precision is not None:
            prototypes = [m.prototypes for m in memories if m.prototypes is not None]
            if len(prototypes) < len(memories):
                raise InputError("the GCN precision needs prototypes in every gradient memory.")
            self.precision_model = self.precision.build(prototypes).to(self._device)

    def latents(self) -> Tensor | None:
        """``P^M`` of the old tasks ``(T, C, k)``, zero-padded; None for the identity."""
        return None if self.precision_model is None else self.precision_model()

    def precisions(self) -> list[Tensor]:
        """The precision without eps ``(C_i, C_i)`` of each old task."""
        latents = self.latents()
        if latents is None:
            return [torch.eye(size, device=self._device) for size in self.sizes]
        return [each[:n] @ each[:n].t() for each, n in zip(latents, self.sizes, strict=True)]

    def stacked_displacements(self) -> Tensor:
        """Displacements of all old tasks ``(T, C)``, zero-padded."""
        with torch.autocast(self._device.type, enabled=False):
            return self.displacement(self.params)

    def displacements(self) -> list[Tensor]:
        """Displacement ``(C_i,)`` of the outputs of each old task."""
        stacked = self.stacked_displacements()
        return [each[:size] for each, size in zip(stacked, self.sizes, strict=True)]

    def terms(self, displacement: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The quadratic term and the log-determinant, each summed over the old tasks.

        Args:
            displacement: ``(T, C)``, zero-padded. Default that of the parameters.
        """
        if displacement is None:
            displacement = self.stacked_displacements()
        with torch.autocast(displacement.device.type, enabled=False):
            if self.precision_model is None:
                quadratic = displacement.square().sum()
                log_det = displacement.new_zeros(())
            else:
                moved = displacement.unsqueeze(2)
                quadratic, log_det = self.precision_model.terms(moved, self.eps)
            if self.quadratic_factor != 1:
                quadratic = self.quadratic_factor * quadratic
            return quadratic, log_det

    def deferred_gradient(self) -> AbstractContextManager[None]:
        """Around a backward pass: add the parameters' gradient at its end, in one operation.

        See :meth:`~vdfd_seg.distillation.kernel_sums.KernelSums.deferred`.
        """
        return self.displacement.kernel_sums.deferred(self.params)

    def forward(self) -> Tensor:
        """The loss: quadratic term minus log-determinant."""
        quadratic, log_det = self.terms()
        return quadratic - log_det
