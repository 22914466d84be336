"""Learning without forgetting."""

from typing import Any

from torch import Tensor

from vdfd_seg.losses import distillation_over_groups
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import one_of, option, positive
from vdfd_seg.methods.common.teacher import LogitsDistillation
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class LwF(LogitsDistillation):
    """Adds a distillation of the old classes from the network of the step before.

    ``L = L_CE + weight * l``, see :func:`~vdfd_seg.losses.distillation_loss`.

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

    def distilled(self, new: Tensor, old: Tensor) -> Tensor:
        """The cross-entropies of the groups of old classes that compete."""
        count = old.shape[1]
        sizes = [count // self.num_old * size for size in self.groups]
        options = self.temperature, self.average_classes
        return distillation_over_groups(new[:, :count], old, sizes, *options)
