"""The paper's variational bound, evaluated where inputs are available."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vdfd_seg.distillation.precision import Precision, precision_of
from vdfd_seg.errors import InputError


class VariationalBound(nn.Module):
    r"""Distance of outputs to those of an earlier network, under learned precisions.

    .. math::
        L = \sum_i \frac{1}{|P|} \sum_p (t_{i,p} - s_{i,p})^\top P_i\, (t_{i,p} - s_{i,p})
            - \log\det(P_i + \varepsilon I)

    over positions p (images, or pixels) and old tasks i. t are the outputs of the earlier network
    for the classes of task i, and s those of the network that trains. This is the negative of the
    variational lower bound of their mutual information under a Gaussian (formula 1 of Li et al.,
    TPAMI 2023; Barber and Agakov, NeurIPS 2003), up to constants. The paper replaces t - s by its
    first-order change (:class:`VariationalDistillationLoss`). Here it is exact, at inputs that are
    there.

    Args:
        prototypes: For each old task the classifier rows ``(C_i, d)`` that its graph is made of.
        precision: ``'gcn'`` (default), a dict of :class:`~vdfd_seg.distillation.precision.GCN`'s
            options, or ``'identity'``, whose constant log-determinant is left out.
        eps: Default 1e-3.

    Attributes:
        precision: The precision's options, None for the identity.
        precision_model: The :class:`~vdfd_seg.distillation.precision.TaskPrecisions`, or None.

    Raises:
        InputError: Without tasks, for rows of different lengths, for eps not positive, for an
            unknown precision.
    """

    rows: Tensor

    def __init__(
        self,
        prototypes: Sequence[Tensor],
        precision: Precision = "gcn",
        eps: float = 1e-3,
    ) -> None:
        super().__init__()
        if not prototypes:
            raise InputError("a variational bound needs the classes of at least one old task.")
        self.precision = precision_of(precision)
        if not eps > 0:
            raise InputError(f"eps must be positive, not {eps}.")
        self.eps = float(eps)
        self.sizes = [len(rows) for rows in prototypes]
        # What stands in the place of a class that a task lacks does not count.
        rows = pad_sequence(torch.arange(sum(self.sizes)).split(self.sizes), batch_first=True)
        self.register_buffer("rows", rows.flatten().to(prototypes[0].device), persistent=False)
        self.precision_model = None
        if self.precision is not None:
            self.precision_model = self.precision.build(prototypes).to(prototypes[0].device)

    def terms(self, new: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
        """The quadratic term and the log-determinant, each summed over the old tasks.

        Args:
            new: ``(N, K, ...)`` outputs of the network that trains for the K classes of the old
                tasks, in their order.
            old: The same of the earlier network; it gets no gradient.
        """
        with torch.autocast(new.device.type, enabled=False):
            moved = (new.float() - old.detach().float()).transpose(0, 1).flatten(1)
            positions = max(moved.shape[1], 1)
            if self.precision_model is None:
                return moved.square().sum() / positions, moved.new_zeros(())
            stacked = moved[self.rows].view(len(self.sizes), -1, moved.shape[1])
            quadratic, log_det = self.precision_model.terms(stacked, self.eps)
            return quadratic / positions, log_det

    def forward(self, new: Tensor, old: Tensor) -> Tensor:
        """The loss: quadratic term minus log-determinant."""
        quadratic, log_det = self.terms(new, old)
        return quadratic - log_det
