"""The gradient of each term of a loss, next to the one that is trained on."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vdfd_seg.models import ContinualLearner


def term_gradients(
    learner: ContinualLearner, terms: Mapping[str, Tensor], scale: float = 1.0
) -> dict[str, tuple[float, bool]]:
    r"""Norm of each term's gradient, and whether the gradient is finite.

    :math:`\|\partial \ell_i / \partial w\|_2` over the trainable parameters w of
    ``learner.network``; a gradient with respect to the method's own parameters counts for
    finiteness alone. ``torch.autograd.grad`` returns gradients without accumulating them, so
    neither ``.grad`` nor DistributedDataParallel notices. The graph is kept.

    Args:
        learner: What trains, with a ``network``.
        terms: Scalars by name. Those with ``loss`` in their names that have a graph are measured,
            except ``loss``, their sum.
        scale: Gradients are computed of the term times this factor, and divided by it, as a loss
            scaler does against underflow.

    Returns:
        By name, in the order of ``terms``. A norm is NaN or infinite where a gradient is.
    """
    network = [p for p in learner.network.parameters() if p.requires_grad]
    own = {id(p) for p in network}
    others = [p for p in learner.parameters() if p.requires_grad and id(p) not in own]
    measured = {
        name: term
        for name, term in terms.items()
        if "loss" in name and name != "loss" and isinstance(term, Tensor) and term.requires_grad
    }
    norms, finite = [], []
    with _buffers_kept(learner.network):
        for term in measured.values():
            gradients = torch.autograd.grad(
                term, [*network, *others], torch.full_like(term, scale),
                retain_graph=True, allow_unused=True,
            )  # fmt: skip
            norm = _norm(gradients[: len(network)], term)
            finite.append((norm + _norm(gradients[len(network) :], term)).isfinite())
            norms.append(norm / scale)
    if not measured:
        return {}
    # One wait for the device for all of them.
    values, checks = torch.stack(norms).tolist(), torch.stack(finite).tolist()
    return dict(zip(measured, zip(values, checks, strict=True), strict=True))


def non_finite_parameters(learner: ContinualLearner) -> list[str]:
    """Names of the parameters in which a number is NaN or infinite."""
    named = dict(learner.named_parameters())
    if not named:
        return []
    # Sums in double precision: finite numbers do not overflow.
    norms = torch.stack([p.detach().norm(dtype=torch.float64) for p in named.values()])
    return [name for name, good in zip(named, norms.isfinite().tolist(), strict=True) if not good]


def _norm(gradients, like: Tensor) -> Tensor:
    found = [g.norm(dtype=torch.float64) for g in gradients if g is not None]
    return torch.stack(found).norm() if found else like.new_zeros((), dtype=torch.float64)


@contextmanager
def _buffers_kept(network: nn.Module) -> Iterator[None]:
    """Undo what a backward pass does to buffers.

    Activation checkpointing computes layers again in the backward pass, and batch norm then counts
    their inputs again.
    """
    before = [(buffer, buffer.clone()) for buffer in network.buffers()]
    yield
    for buffer, value in before:
        # Through `data`: the graph may hold the buffer, and would refuse one written to.
        buffer.data.copy_(value)
