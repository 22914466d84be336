"""Where the kernel sums of each parameter stand among those of all, and its numbers in memory."""

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vdfd_seg.distillation.kernels import KernelLayout

PIECE = 16
"""Numbers that are summed first, where a kernel's can be divided so; else each is a piece."""


@dataclass(frozen=True)
class Place:
    """Where the sums of a parameter are, and how its numbers lie in memory.

    Attributes:
        layout: Its filters.
        start: Of its sums among those of all parameters.
        width: How many sums stand together: all, or of a classifier those of a row.
        padded: The same with the zeros that follow them.
        channels_last: Whether its channels lie last.
    """

    layout: KernelLayout
    start: int
    width: int
    padded: int
    channels_last: bool

    @property
    def piece(self) -> int:
        """Into pieces of which length its numbers are divided."""
        return _piece(self.layout, self.channels_last)

    @property
    def stop(self) -> int:
        """Where the next parameter's start."""
        return self.start + self.padded * (self.layout.shape[0] if self.layout.apart else 1)

    def of(self, values: Tensor) -> Tensor:
        """Of values in the places of the sums, its own: ``(d,)``, or of a classifier's rows."""
        if not self.layout.apart:
            return values[self.start : self.start + self.width]
        return values[self.start : self.stop].view(-1, self.padded)[:, : self.width]

    def filter_of_piece(self) -> Tensor:
        """The place of the filter that each piece belongs to, in the order of its numbers."""
        layout = self.layout
        if layout.apart:
            rows = self.start + torch.arange(layout.shape[0]) * self.padded
            return (rows[:, None] + torch.arange(self.width)).flatten()
        filters = torch.arange(self.start, self.start + layout.filters)
        pieces = layout.entries // self.piece
        if not layout.groups:
            return filters.repeat_interleave(pieces)
        inputs = layout.shape[0] // layout.groups
        if self.channels_last:
            by_group = filters.view(layout.groups, 1, 1, -1)
            return by_group.expand(-1, inputs, pieces // inputs, -1).flatten()
        by_group = filters.view(layout.groups, 1, -1, 1)
        return by_group.expand(-1, inputs, -1, pieces // inputs).flatten()

    def in_memory(self, tensor: Tensor) -> Tensor:
        """A view of a tensor of the parameter's shape in which the numbers stand as in memory."""
        return tensor.permute(0, 2, 3, 1) if self.channels_last else tensor


def _piece(layout: KernelLayout, channels_last: bool) -> int:
    """Into pieces of which length the numbers of a filter that stand together are divided."""
    together = layout.entries
    if layout.groups:
        together = 1 if channels_last else math.prod(layout.shape[2:])
    return 1 if together % PIECE else PIECE


def placed(
    layouts: Mapping[str, KernelLayout], block: int, channels_last: Container[str]
) -> tuple[dict[str, KernelLayout], list[Place]]:
    """Parameters one after another, those first whose numbers are summed piece by piece.

    Args:
        layouts: Layout of each parameter, by name.
        block: The sums of each parameter, of a classifier those of each row, are padded to a
            multiple of this number.
        channels_last: Names of the parameters that lie so in memory.

    Returns:
        The layouts in that order, and the place of each.
    """
    last = {name: name in channels_last and not each.apart for name, each in layouts.items()}
    order = sorted(layouts, key=lambda name: _piece(layouts[name], last[name]) == 1)
    places: list[Place] = []
    for name in order:
        layout, start = layouts[name], places[-1].stop if places else 0
        width = layout.width if layout.apart else layout.filters
        padded = math.ceil(width / block) * block
        places.append(Place(layout, start, width, padded, last[name]))
    return {name: layouts[name] for name in order}, places
