"""Learning without forgetting."""

import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.errors import InputError
from vdfd_seg.methods.base import Method
from vdfd_seg.methods.context import TaskContext
from vdfd_seg.registry import METHODS


def distillation_loss(
    new: Tensor, old: Tensor, temperature: float = 1.0, average_classes: bool = False
) -> Tensor:
    r"""Cross-entropy of the new network's old classes under the old network's.

    .. math::
        \ell = -\frac{1}{|P|} \sum_p \sum_{c<K} \tilde q_{p,c} \log q_{p,c}, \qquad
        q_p = \mathrm{softmax}(z_p / T), \quad \tilde q_p = \mathrm{softmax}(\tilde z_p / T),

    over positions p (images, or pixels) and K old classes. Li and Hoiem, "Learning without
    Forgetting", TPAMI 2018, equation 2.

    Args:
        new: ``(N, K, ...)`` logits of the network that trains.
        old: The same of the network of the step before.
        temperature: T; both distributions are softened.
        average_classes: Divide by K, as the code of MiB does.

    Returns:
        Scalar.
    """
    log_q = F.log_softmax(new.float() / temperature, dim=1)
    target = F.softmax(old.float() / temperature, dim=1)
    loss = -(target * log_q).sum(1).mean()
    return loss / new.shape[1] if average_classes else loss


@METHODS.register_module()
class LwF(Method):
    """Adds a distillation of the old classes from the network of the step before.

    ``L = L_CE + weight * sum over groups of l``, see :func:`distillation_loss`. A group are the
    classes that compete with each other in evaluation: those of each old task where the task is
    known, else all old classes. Nothing is carried between steps; the old network is held while
    a step trains.

    Args:
        weight: 1 for classification (FACIL's default); MiB's code has 100 for segmentation.
        temperature: 2 for classification; MiB's code has 1.
        average_classes: Divide by the number of old classes, as MiB's code does.

    Raises:
        InputError: For a negative weight, or a temperature that is not positive.
    """

    needs_old_network = True
    trains_old_heads = True

    def __init__(
        self, weight: float = 1.0, temperature: float = 2.0, average_classes: bool = False
    ):
        super().__init__()
        if weight < 0 or temperature <= 0:
            raise InputError(
                f"method LwF: weight={weight} must not be negative, temperature={temperature} "
                f"must be above 0."
            )
        self.weight = weight
        self.temperature = temperature
        self.average_classes = average_classes
        self.num_old = 0
        # In a list: the old network is no part of what is trained, saved or wrapped.
        self._old: list[nn.Module] = []

    def before_task(self, context: TaskContext) -> None:
        """Take the network of the step before as teacher."""
        if context.old_network is not None:
            self._old = [context.old_network()]
            domains = context.protocol.scenario == "domain"
            self.num_old = context.protocol.num_classes(0) if domains else context.num_old

    def extra_losses(self, view, outputs, samples) -> dict[str, Tensor]:
        """The weighted distillation."""
        if not self._old:
            return {}
        new = view.at_labels(outputs.all_logits, samples)
        old = view.at_labels(view.old_logits(self._old[0], outputs), samples)
        parts = [
            distillation_loss(new[:, rows], old[:, rows], self.temperature, self.average_classes)
            for rows in view.old_groups(self.num_old)
        ]
        return {"loss_kd": self.weight * sum(parts)}

    def after_task(self, context: TaskContext) -> dict:
        """Let the teacher go."""
        self._old = []
        return {}
