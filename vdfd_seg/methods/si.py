"""Synaptic intelligence."""

import torch
from torch import Tensor

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.importance import ImportancePenalty, buffer_name, penalised
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class SI(ImportancePenalty):
    r"""Importances are a parameter's share in the descent of the task's loss.

    .. math::
        \omega_k = -\sum_t g_k(t)\, \Delta w_k(t), \qquad
        \Omega_k \leftarrow \Omega_k +
        \frac{\omega_k}{(w_k - w^*_k)^2 + \xi},

    with g the gradient of the task's loss without the penalty, and :math:`\Delta w` the step of
    the optimiser. Zenke, Poole and Ganguli, ICML 2017; as in FACIL, a share may be negative.
    FACIL's penalty has no factor 1/2: its weight 0.1 is 0.2 here. Under gradient clipping g is
    only approximate: what is clipped is the sum of both gradients.

    Args:
        weight: :math:`\lambda`.
        damping: :math:`\xi`.
    """

    requires = ImportancePenalty.requires | {"own_training"}
    weight: float = not_negative(0.2)
    damping: float = positive(0.1)
    _before: dict[str, tuple[Tensor, Tensor]] = {}

    def before_task(self, context: TaskContext) -> None:
        """Start the sums; the start of the step is kept from the first task on."""
        super().before_task(context)
        for name, parameter in penalised(context.adapter).items():
            key = buffer_name(name)
            self.register_buffer(f"path_{key}", torch.zeros_like(parameter))
            if not hasattr(self, f"anchor_{key}"):
                self.register_buffer(f"anchor_{key}", parameter.detach().clone())

    @torch.no_grad()
    def before_update(self, adapter) -> None:
        """Keep the weights and the gradient of the task's loss."""
        self._before = {}
        for name, parameter in penalised(adapter).items():
            if parameter.grad is None:
                continue
            gradient = parameter.grad.clone()
            if name in self.importance:
                moved = parameter - self.anchor_of(name)
                gradient -= self.weight * self.importance[name] * moved
            self._before[name] = (parameter.clone(), gradient)

    @torch.no_grad()
    def after_update(self, adapter, learning_rate: float) -> None:
        """Add the step's share."""
        params = penalised(adapter)
        for name, (weights, gradient) in self._before.items():
            path = getattr(self, f"path_{buffer_name(name)}")
            path -= gradient * (params[name] - weights)
        self._before = {}

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """The task's share of each parameter, over how far it moved."""
        found = {}
        for name, parameter in penalised(context.adapter).items():
            path = getattr(self, f"path_{buffer_name(name)}")
            moved = parameter.detach() - self.anchor_of(name)
            found[name] = path / (moved.square() + self.damping)
        return found
