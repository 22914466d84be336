"""Exact implicit treatment of the quadratic term."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from vdfd_seg.distillation import VariationalDistillationLoss
from vdfd_seg.distillation.displacement import GradientDisplacement

StepSizes = float | Mapping[str, float | Tensor]
"""One step size, or by parameter name a number or a tensor that broadcasts to the parameter."""

_RELATIVE_RANK_TOLERANCE = 1e-10


@torch.no_grad()
def proximal_step(
    loss: VariationalDistillationLoss,
    weight: float,
    step_size: StepSizes,
) -> None:
    """``w <- argmin_v 1/2 |v - w|^2_{1/step} + weight * sum_i delta_i(v).T P_i delta_i(v)``.

    The displacement is affine in the weights, ``delta(v) = delta(w) + A (v - w)`` with one row of
    A per class of each old task, so the minimiser is found in the space of those few numbers.
    With ``B = blockdiag(P_i^M)``, ``eta`` the step sizes and ``M = B.T A eta A.T B``::

        v = w - eta A.T B (I / (2 weight) + M)^-1 B.T delta(w),

    by the eigendecomposition of M in float64. It is the implicit Euler step where a gradient step
    on the penalty is the explicit one: stable for any weight. For ``weight=inf`` it is the
    projection onto ``B.T delta = 0``, the nearest weights of zero quadratic term (where M is
    singular: nearest to it). The precision is taken as it is; the log-determinant does not depend
    on the weights.

    Args:
        loss: The loss; its parameters are changed in place.
        weight: The loss's weight lambda, from 0 to ``inf``.
        step_size: The optimiser's step size (of an adaptive optimiser, its diagonal).
    """
    if math.isnan(weight) or weight < 0:
        raise ValueError(f"the weight of a proximal step must not be negative, but is {weight}.")
    weight = weight * loss.quadratic_factor
    if weight == 0:
        return
    params = loss.params
    displacement = loss.stacked_displacements().double()
    latents = loss.latents()
    gram = gram_of(loss, step_size)
    root, inner = None, gram
    target = displacement.flatten()
    if latents is not None:
        root = torch.block_diag(*latents.double())
        inner = root.t() @ gram @ root
        target = root.t() @ target
    values, vectors = torch.linalg.eigh((inner + inner.t()) / 2)
    stiffness = values.clamp_min(0) + 0.5 / weight
    floor = _RELATIVE_RANK_TOLERANCE * values.max().clamp_min(torch.finfo(torch.float64).tiny)
    inverse = torch.where(stiffness > floor, 1.0 / stiffness.clamp_min(floor), 0.0)
    amounts = vectors @ (inverse * (vectors.t() @ target))
    if root is not None:
        amounts = root @ amounts
    _move(loss.displacement, amounts, step_size, params)


def gram_of(loss: VariationalDistillationLoss, step_size: StepSizes) -> Tensor:
    """``A diag(step) A.T``, ``(T C, T C)``, for the displacements' Jacobian A, in float64."""
    term, jacobian = loss.displacement, _jacobian(loss.displacement)
    weight = jacobian.new_zeros(jacobian.shape[1])
    parts = term.kernel_sums.by_parameter(weight)
    for part, (name, layout) in zip(parts, term.layouts.items(), strict=True):
        step = step_size if isinstance(step_size, (int, float)) else step_size[name]
        step = torch.as_tensor(step, dtype=torch.float64).expand(layout.shape)
        part.copy_(layout.sums(step, torch.float64).view(part.shape))
    return (jacobian * weight) @ jacobian.t()


def _jacobian(term: GradientDisplacement) -> Tensor:
    """A of the kernel sums, ``(T C, places of the sums)``."""
    tasks, _, classes = term.right.shape
    left = term.left.double().unflatten(0, (tasks, -1))
    right = term.right.double().view(*left.shape[:3], classes)
    return torch.einsum("trnb,trnc->tcnb", left, right).reshape(tasks * classes, -1)


def _move(
    term: GradientDisplacement, amounts: Tensor, step_size: StepSizes, params: Mapping
) -> None:
    """``w <- w - diag(step) A.T amounts``, in place, for ``(T C,)`` amounts."""
    parts = term.kernel_sums.by_parameter(amounts @ _jacobian(term))
    for (name, layout), values in zip(term.layouts.items(), parts, strict=True):
        step = step_size if isinstance(step_size, (int, float)) else step_size[name]
        change = layout.broadcast(values.to(params[name].device)) * step
        params[name].sub_(change.to(params[name].dtype))
