"""What methods share that distil from the network of the step before."""

import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.losses.wide import wide
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext


def sigmoid_distillation(new: Tensor, old: Tensor) -> Tensor:
    r"""Sum over old classes of the binary cross-entropies under the old network's sigmoids.

    :math:`\frac{1}{|P|} \sum_p \sum_{c<K} \mathrm{BCE}(\sigma(z_{p,c}), \sigma(\tilde z_{p,c}))`
    over positions p (images, or pixels); Rebuffi et al., CVPR 2017.

    Args:
        new: ``(N, K or more, ...)`` logits of the network that trains, the old classes first.
        old: ``(N, K, ...)`` the same of the network of the step before.

    Returns:
        Scalar.
    """
    new, old = wide(new[:, : old.shape[1]]), wide(old)
    loss = F.binary_cross_entropy_with_logits(new, old.sigmoid(), reduction="none")
    return loss.sum(1).mean()


class TeacherMethod(Method):
    """Holds the network of the step before while a step trains, and carries nothing.

    Attributes:
        teacher: That network, in evaluation mode and without gradients; None at the first step.
        num_old: How many classes it knows.
    """

    requires = frozenset({"old_network"})

    def __init__(self) -> None:
        super().__init__()
        self.num_old = 0
        # In a list: the old network is no part of what is trained, saved or wrapped.
        self._old: list[nn.Module] = []

    @property
    def teacher(self) -> nn.Module | None:
        """The network of the step before."""
        return self._old[0] if self._old else None

    def before_task(self, context: TaskContext) -> None:
        """Take the network of the step before as teacher."""
        if context.old_network is not None:
            self._old = [context.old_network()]
            self.num_old = context.num_old

    def after_task(self, context: TaskContext) -> dict:
        """Let the teacher go."""
        self._old = []
        return {}
