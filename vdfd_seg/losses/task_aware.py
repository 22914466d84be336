"""Losses that need to know how many classes are old."""

from torch import nn


class TaskAwareLoss(nn.Module):
    """A loss of a segmentation head that depends on the step.

    Attributes:
        num_hidden: How many of the first labels are old classes that the current
            labels hide in the background; 0 when nothing is hidden (the first
            step, domain-incremental learning, joint training). Set when a step
            begins.
    """

    def __init__(self):
        super().__init__()
        self.num_hidden = 0
