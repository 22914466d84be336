"""Learning without forgetting."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.losses.half_precision import wide
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import one_of, option, positive
from vdfd_seg.methods.common.teacher import LogitsDistillation
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
    """
    log_q = F.log_softmax(wide(new) / temperature, dim=1)
    target = F.softmax(wide(old) / temperature, dim=1)
    loss = -(target * log_q).sum(1).mean()
    return loss / new.shape[1] if average_classes else loss


def distillation_over_groups(
    new: Tensor,
    old: Tensor,
    sizes: Sequence[int],
    temperature: float = 1.0,
    average_classes: bool = False,
) -> Tensor:
    """The sum of :func:`distillation_loss` over groups of so many classes, which compete."""
    groups = zip(new.split(sizes, 1), old.split(sizes, 1), strict=True)
    terms = [distillation_loss(*logits, temperature, average_classes) for logits in groups]
    return sum(terms[1:], start=terms[0])


@METHODS.register_module()
class LwF(LogitsDistillation):
    """Adds a distillation of the old classes from the network of the step before.

    ``L = L_CE + weight * l``, see :func:`distillation_loss`.

    Args:
        weight: 1 for classification (FACIL's default); MiB's code has 100 for segmentation.
        temperature: 2 for classification; MiB's code has 1.
        average_classes: Divide by the number of old classes, as MiB's code does.
        variant: For classification. ``"facil"``, the default, as FACIL: one softmax over all old
            classes; old heads do not train. ``"paper"``, as Li and Hoiem: where the task is known
            a softmax for each old task, with their losses summed; old heads train, too.
    """

    temperature: float = positive(2.0)
    average_classes: bool = option(False)
    variant: str = one_of("facil", "paper")

    def __init__(self, **options: Any):
        super().__init__(**options)
        if self.variant == "paper":
            self.requires = self.requires | {"old_heads"}

    def before_task(self, context: TaskContext) -> None:
        """Take the teacher, and note which of its classes compete."""
        super().before_task(context)
        self.groups = [self.num_old]
        if self.variant == "paper" and context.step and context.protocol.scenario == "task":
            self.groups = context.protocol.task_sizes(context.step - 1)

    def distilled(self, adapter, new: Tensor, old: Tensor) -> Tensor:
        """The cross-entropies of the groups of old classes that compete."""
        count = old.shape[1]
        sizes = [count // self.num_old * size for size in self.groups]
        options = self.temperature, self.average_classes
        return distillation_over_groups(new[:, :count], old, sizes, *options)
