"""Freezing the classifier's rows of old classes while a step trains."""

from torch import Tensor

from vdfd_seg.methods.common.base import Method
from vdfd_seg.models.growth import classes_first


class RowFreezingMethod(Method):
    """Clears the gradients of some rows, and undoes weight decay and momentum on them.

    Attributes:
        frozen: Which rows of the classifier stay as they are; none by default.
    """

    frozen = slice(0)
    _kept: dict[str, Tensor] = {}

    def before_update(self, adapter) -> None:
        """Clear the rows' gradients, and keep the rows themselves."""
        parameters = dict(adapter.network.named_parameters())
        self._kept = {}
        for name in adapter.rows if self.frozen.stop else ():
            parameter = parameters[name]
            if parameter.grad is not None:
                classes_first(parameter.grad)[self.frozen] = 0
            self._kept[name] = classes_first(parameter.detach())[self.frozen].clone()

    def after_update(self, adapter, learning_rate: float) -> None:
        """Put the rows back."""
        parameters = dict(adapter.network.named_parameters())
        for name, rows in self._kept.items():
            classes_first(parameters[name].data)[self.frozen] = rows
