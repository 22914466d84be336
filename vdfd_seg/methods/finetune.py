"""Fine-tuning: the lower bound."""

from vdfd_seg.methods.common.base import Method
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class FineTune(Method):
    """Trains each task with the heads' loss alone and carries nothing."""
