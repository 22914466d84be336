"""Keeping the classifier's rows of old classes as they are while a step trains."""

from torch import Tensor

from vdfd_seg.models.growth import classes_first


class FrozenRows:
    """Clears the gradients of the first rows, and undoes weight decay and momentum on them.

    Args:
        num_rows: How many.
    """

    def __init__(self, num_rows: int):
        self.num_rows = num_rows
        self.kept: dict[str, Tensor] = {}

    def before_update(self, adapter) -> None:
        """Clear the rows' gradients, and keep the rows themselves."""
        parameters = dict(adapter.network.named_parameters())
        for name in adapter.rows if self.num_rows else ():
            parameter = parameters[name]
            if parameter.grad is not None:
                classes_first(parameter.grad)[: self.num_rows] = 0
            self.kept[name] = classes_first(parameter.detach())[: self.num_rows].clone()

    def after_update(self, adapter) -> None:
        """Put the rows back."""
        parameters = dict(adapter.network.named_parameters())
        for name, rows in self.kept.items():
            classes_first(parameters[name].data)[: self.num_rows] = rows
