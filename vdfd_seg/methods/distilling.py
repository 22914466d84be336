"""What methods share that distil from the network of the step before."""

from torch import nn

from vdfd_seg.methods.base import Method
from vdfd_seg.methods.context import TaskContext


class Distilling(Method):
    """Holds the network of the step before while a step trains, and carries nothing.

    Attributes:
        teacher: That network, in evaluation mode and without gradients; None at the first step.
        num_old: How many classes it knows.
    """

    needs_old_network = True

    def __init__(self):
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
