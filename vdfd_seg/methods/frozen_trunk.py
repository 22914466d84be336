"""A frozen trunk, and a classifier that grows on it."""

from vdfd_seg.methods.common.frozen_trunk import FrozenTrunkMethod
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class FrozenTrunk(FrozenTrunkMethod):
    """Everything but the classifier stays as the first task left it; the rest is the task's loss.

    The baseline of methods that keep no network: where the background hides old classes the loss
    is MiB's unbiased cross-entropy, and new rows start from the background's.
    """

    unbiased_loss = True
    new_rows = "balanced"
