"""Freezing the classifier's rows of old classes while a step trains."""

from torch import Tensor

from vdfd_seg.models.growth import classes_first


class FrozenRows:
    """Clears the gradients of some rows, and undoes weight decay and momentum on them.

    Args:
        num_rows: Rows up to this one stay, without it.
        first: The first of them.
    """

    def __init__(self, num_rows: int, first: int = 0):
        self.rows = slice(first, num_rows)
        self.kept: dict[str, Tensor] = {}

    def before_update(self, adapter) -> None:
        """Clear the rows' gradients, and keep the rows themselves."""
        parameters = dict(adapter.network.named_parameters())
        for name in adapter.rows if self.rows.stop else ():
            parameter = parameters[name]
            if parameter.grad is not None:
                classes_first(parameter.grad)[self.rows] = 0
            self.kept[name] = classes_first(parameter.detach())[self.rows].clone()

    def after_update(self, adapter) -> None:
        """Put the rows back."""
        parameters = dict(adapter.network.named_parameters())
        for name, rows in self.kept.items():
            classes_first(parameters[name].data)[self.rows] = rows
