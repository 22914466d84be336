"""How far outputs are from those of the start of the step: what a method distils by."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vdfd_seg.distillation import VariationalBound
from vdfd_seg.distillation.precision import Precision, precision_of
from vdfd_seg.errors import unknown_name
from vdfd_seg.losses import distillation_over_groups
from vdfd_seg.methods.common.options import WithOptions, option, positive


class Divergence(WithOptions):
    """What every divergence has.

    Attributes:
        optimizer: Trains the divergence's own parameters; None without any.
    """

    optimizer: torch.optim.Optimizer | None = None

    def begin(self, prototypes: Sequence[Tensor], apart: bool) -> None:
        """Prepare for a step.

        Args:
            prototypes: The classifier's rows ``(C_i, d)`` of each old task i.
            apart: Whether classes compete within their task alone.
        """
        raise NotImplementedError

    def forward(self, new: Tensor, old: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The divergence, and its parts for the log by name.

        Args:
            new: ``(N, K, ...)`` logits of the old classes in the network that trains.
            old: The same at the start of the step.
        """
        raise NotImplementedError


class SoftmaxDivergence(Divergence):
    r"""The bound of a categorical distribution, which knows that outputs are a softmax's logits.

    .. math::
        \sum_g \frac{1}{|P|} \sum_p -\sum_{c \in g}
            \mathrm{softmax}(t_{g,p} / T)_c \log \mathrm{softmax}(s_{g,p} / T)_c,

    over groups g of classes that compete: each old task's where the task is known, else all old
    ones. It is what LwF, and with new classes as background MiB, compute from a network that is
    run along.

    Args:
        temperature: T.
    """

    temperature: float = positive(2.0)

    def begin(self, prototypes: Sequence[Tensor], apart: bool) -> None:
        """Note which classes compete."""
        sizes = [len(rows) for rows in prototypes]
        self.groups = sizes if apart else [sum(sizes)]

    def forward(self, new: Tensor, old: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The cross-entropies, summed over the groups."""
        return distillation_over_groups(new, old, self.groups, self.temperature), {}


def known_precision(cfg: Precision) -> Precision:
    """A precision as a config describes it, if it is known."""
    precision_of(cfg)
    return cfg


class GaussianBound(Divergence):
    """The paper's bound, of a Gaussian: :class:`~vdfd_seg.distillation.VariationalBound`.

    Each old task's classes have a precision of their own.

    Args:
        precision: ``"gcn"``, a dict of :class:`~vdfd_seg.distillation.precision.GCN`'s options, or
            ``"identity"``: squared distances.
        eps: :math:`\\varepsilon`.
    """

    precision: Precision = option("gcn", known_precision)
    eps: float = positive(1e-3)

    def begin(self, prototypes: Sequence[Tensor], apart: bool) -> None:
        """Build the precisions of the old tasks."""
        self.bound = VariationalBound(prototypes, self.precision, self.eps)
        if self.bound.precision is not None:
            self.optimizer = self.bound.precision.optimizer(self.bound.parameters())

    def forward(self, new: Tensor, old: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Quadratic term minus log-determinant, and both."""
        quadratic, log_det = self.bound.terms(new, old)
        parts = {"quadratic": quadratic.detach(), "log_det": log_det.detach()}
        return quadratic - log_det, parts


DIVERGENCES = {"Softmax": SoftmaxDivergence, "GaussianBound": GaussianBound}


def build_divergence(cfg: str | Mapping[str, Any]) -> Divergence:
    """The divergence that a config describes: a dict with a ``type``, or the type alone.

    Raises:
        InputError: For an unknown type or option.
    """
    options = dict(cfg) if isinstance(cfg, Mapping) else {"type": cfg}
    name = options.pop("type", None)
    if name not in DIVERGENCES:
        raise unknown_name("divergence", name, DIVERGENCES)
    known = DIVERGENCES[name].options
    for key in options:
        if key not in known:
            raise unknown_name(f"key in method.divergence {name}", key, known)
    return DIVERGENCES[name](**options)
