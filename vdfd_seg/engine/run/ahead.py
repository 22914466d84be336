"""Batches that are on the device before their iteration starts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.structures import BaseDataElement
from torch import Tensor

from vdfd_seg.utils.device import send


class Ahead:
    """The batches of an iterator, each copied to a device while the one before trains.

    On a GPU the copies run on a stream of their own, from pinned memory.

    Args:
        batches: The iterator, of dicts with ``data_samples``.
        count: How many batches to take.
        device: Where to copy them.
        fetch: The method's ``fetch``, called with the data samples of each batch when it is
            copied.
    """

    def __init__(
        self,
        batches: Iterator[dict],
        count: int,
        device: torch.device | str,
        fetch: Callable[[Any], None],
    ):
        self.batches = batches
        self.left = count
        self.device = torch.device(device)
        self.fetch = fetch
        self.stream = torch.cuda.Stream(device) if self.device.type == "cuda" else None
        self.waiting: dict | None = None

    def __iter__(self) -> "Ahead":
        return self

    def __next__(self) -> dict:
        """The next batch; copying of the one after it has started."""
        batch = self._brought() if self.waiting is None else self.waiting
        if self.stream is not None:
            present = torch.cuda.current_stream(self.device)
            present.wait_stream(self.stream)
            for tensor in _tensors(batch):
                if tensor.is_cuda:
                    # Or its memory could be given away while an iteration still reads it.
                    tensor.record_stream(present)
        self.waiting = self._brought() if self.left else None
        return batch

    def _brought(self) -> dict:
        if not self.left:
            raise StopIteration
        batch = next(self.batches)
        self.left -= 1
        with torch.cuda.stream(self.stream):
            self.fetch(batch["data_samples"])
            return self._on_device(batch)

    def _on_device(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            return send(item, self.device)
        if isinstance(item, Mapping):
            return {key: self._on_device(value) for key, value in item.items()}
        if isinstance(item, BaseDataElement):
            moved = item.new()
            moved.set_data({key: self._on_device(value) for key, value in item.items()})
            return moved
        if isinstance(item, (list, tuple)):
            return type(item)(self._on_device(value) for value in item)
        # A batch of labelled images.
        return item.to(self.device) if hasattr(item, "to") else item


def _tensors(item: Any) -> Iterator[Tensor]:
    """The tensors of a batch."""
    if isinstance(item, Tensor):
        yield item
        return
    if isinstance(item, (Mapping, BaseDataElement)):
        parts: Sequence = list(item.values())
    elif isinstance(item, (list, tuple)):
        parts = item
    else:
        parts = list(getattr(item, "__dict__", {}).values())
    for part in parts:
        yield from _tensors(part)
