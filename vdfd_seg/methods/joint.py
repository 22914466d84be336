"""Joint training: the upper bound."""

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class Joint(Method):
    """Trains each step on the images of every task so far, with all their labels.

    Training continues from the network of the step before. A protocol with the
    split ``offline`` makes it the usual joint training in one step.
    """

    requires = frozenset({"old_images"})

    def select(self, data, step: int, carried: dict) -> list:
        """The images of all steps up to this one."""
        return data.cumulative_samples(step)

    def num_hidden(self, context: TaskContext) -> int:
        """Nothing is hidden: old classes keep their labels."""
        return 0

    def stored_data_bytes(self, data, step: int) -> int:
        """Size of the images and labels of all steps so far."""
        return data.sample_bytes(data.cumulative_samples(step))
