"""The two terms of the loss that depend on the precision, with their gradients in closed form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from vdfd_seg.distillation.precision import TaskPrecisions


class PrecisionTerms(torch.autograd.Function):
    r"""Quadratic term and log-determinant of all tasks, in some 35 operations with the gradient.

    A convolution over a complete graph is a product with its normalised adjacency
    :math:`\hat A`, and so, for one task with features X and displacements D,

    .. math::
        H &= \mathrm{ReLU}(\hat A X W_1^\top + b_1), \quad O = \hat A H W_2^\top + b_2\ (+ X), \quad
        Z_c = O_c / \ell_c, \; \ell_c = \sqrt{|O_c|^2 + \tau}, \\
        Q &= |S|^2,\; S = D^\top Z, \qquad L = \log\det(Z Z^\top + \varepsilon I).

    With :math:`q = \partial / \partial Q` and :math:`l = \partial / \partial L` the gradients are

    .. math::
        G_D &= 2 q Z S^\top, \quad G_Z = 2 q D S + 2 l (Z Z^\top + \varepsilon I)^{-1} Z, \quad
        G_{O_c} = (G_{Z_c} - Z_c Z_c^\top G_{Z_c}) / \ell_c, \\
        G_{W_2} &= (\hat A G_O)^\top H, \quad
        G_{W_1} = (\hat A G_O W_2 \odot [H > 0])^\top \hat A X,

    and those of the biases are sums over the classes. By Sylvester's identity the smaller of
    :math:`Z Z^\top + \varepsilon I` and :math:`Z^\top Z + \varepsilon I` is factored, in float64.
    """

    @staticmethod
    def forward(ctx, graphs: TaskPrecisions, eps: float, moved: Tensor, *parameters: Tensor):
        """The two terms, and what their gradients need."""
        weight1, bias1, weight2, bias2 = parameters
        adjacency = graphs.graph_adjacency
        hidden = torch.addmm(bias1, graphs.graph_smoothed, weight1.t()).relu_()
        messages = (hidden @ weight2.t()).view(*adjacency.shape[:2], -1)
        added = bias2 + graphs.graph_features if graphs.residual else bias2
        output = torch.baddbmm(added, adjacency, messages)
        norm = torch.linalg.vector_norm(output, dim=2, keepdim=True)
        length = torch.hypot(norm, graphs.graph_floor)
        latents = output / length
        shares = torch.bmm(moved.transpose(1, 2), latents.to(moved.dtype))
        rows = _shorter(latents.double())
        lu, pivots, log_det = _log_det(rows, eps)
        missing = sum(graphs.sizes) - rows.shape[0] * rows.shape[1]
        log_det = torch.add(log_det, missing * math.log(eps), out=moved.new_empty(()))
        ctx.adjacency, ctx.smoothed = adjacency, graphs.graph_smoothed
        ctx.save_for_backward(moved, weight2, hidden, length, latents, shares, rows, lu, pivots)
        shares = shares.flatten()
        return torch.dot(shares, shares), log_det

    @staticmethod
    @once_differentiable
    def backward(ctx, by_quadratic: Tensor, by_log_det: Tensor):
        """Their gradients with respect to ``moved`` and the parameters."""
        moved, weight2, hidden, length, latents, shares, rows, lu, pivots = ctx.saved_tensors
        with torch.autocast(moved.device.type, enabled=False):
            # Half of it, for which the products below take it twice.
            by_shares = shares * by_quadratic
            factors = latents.to(moved.dtype), by_shares.transpose(1, 2)
            by_moved = torch.baddbmm(moved, *factors, beta=0, alpha=2)
            by_rows = torch.linalg.lu_solve(lu, pivots, rows) * by_log_det
            by_latents = by_rows if rows.shape == latents.shape else by_rows.transpose(1, 2)
            by_latents = by_latents.to(moved.dtype)
            by_latents = torch.baddbmm(by_latents, moved, by_shares, beta=2, alpha=2)
            by_latents = by_latents.to(latents.dtype)
            lines = by_latents.flatten(0, 1).unsqueeze(1), latents.flatten(0, 1).unsqueeze(2)
            along = torch.bmm(*lines).view_as(length)
            by_output = torch.addcmul(by_latents, latents, along, value=-1) / length
            by_messages = torch.bmm(ctx.adjacency, by_output).flatten(0, 1)
            by_hidden = torch.ops.aten.threshold_backward(by_messages @ weight2, hidden, 0)
            by_weights = by_hidden.t() @ ctx.smoothed, by_messages.t() @ hidden
            by_biases = by_hidden.sum(0), by_output.sum((0, 1))
        return None, None, by_moved, by_weights[0], by_biases[0], by_weights[1], by_biases[1]


def _shorter(latents: Tensor) -> Tensor:
    """``(T, C, k)``, transposed where k is smaller than C."""
    return latents if latents.shape[1] <= latents.shape[2] else latents.transpose(1, 2)


def _log_det(rows: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """LU factors of ``rows rows.T + eps I``, and the sum of the log-determinants."""
    gram = torch.bmm(rows, rows.transpose(1, 2))
    gram.diagonal(dim1=1, dim2=2).add_(eps)
    # Not Cholesky, which raises: of latents that are not finite the loss must be NaN, which
    # training reports by the name of the term.
    lu, pivots, _ = torch.linalg.lu_factor_ex(gram)
    return lu, pivots, lu.diagonal(dim1=1, dim2=2).abs().log().sum()
