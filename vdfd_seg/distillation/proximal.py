"""Exact implicit treatment of the quadratic term."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vdfd_seg.distillation.loss import VariationalDistillationLoss
from vdfd_seg.errors import InputError

_RELATIVE_RANK_TOLERANCE = 1e-10


@torch.no_grad()
def proximal_step(
    loss: VariationalDistillationLoss,
    weight: float,
    step_size: "float | Mapping[str, float | Tensor]",
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
        step_size: The optimiser's step size: one number, or by parameter name a number or a
            tensor that broadcasts to the parameter (the diagonal of an adaptive optimiser).

    Raises:
        InputError: For a negative or undefined weight.
    """
    if not weight >= 0:
        raise InputError(f"the weight of a proximal step must not be negative, but is {weight}.")
    weight = weight * loss.quadratic_factor
    if weight == 0:
        return
    params = loss.params
    displacement = loss.stacked_displacements().double()
    tasks, classes = displacement.shape
    latents = loss.latents()
    terms = loss.displacement_terms
    grams = [term.gram(step_size, params) for term in terms]
    gram = sum(grams[1:], start=grams[0])
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
    for term in terms:
        term.move(amounts.view(tasks, classes), step_size, params)
