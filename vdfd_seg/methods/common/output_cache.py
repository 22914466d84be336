"""The outputs of a network for the augmented views of a step's images, computed once."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import all_gather_object
from torch import Tensor

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import at_least_one
from vdfd_seg.utils.device import send


class OutputCache:
    """Outputs of every view, in half precision and in main memory.

    Args:
        batches: Pairs of inputs and data samples, as :attr:`TaskContext.views` gives them.
        outputs: Gives the outputs ``(N, ...)`` of a batch's inputs.

    Attributes:
        values: ``(views, ...)`` float16, in the order of the views' numbers.
    """

    def __init__(self, batches: Iterable[tuple[Tensor, Any]], outputs: Callable[..., Tensor]):
        with torch.no_grad():
            (self.values,) = in_order(
                (draws_of(samples), outputs(inputs).half()) for inputs, samples in batches
            )
        # Of the present batch and the next, by the numbers of their views.
        self._fetched: dict[tuple[int, ...], Tensor] = {}

    def fetch(self, samples, device) -> None:
        """Bring the outputs of a batch's views to a device, for :meth:`lookup` soon after."""
        numbers = tuple(draws_of(samples).tolist())
        while len(self._fetched) > 1:
            del self._fetched[next(iter(self._fetched))]
        self._fetched[numbers] = send(self.values[list(numbers)], device)

    def lookup(self, samples, device) -> Tensor:
        """The outputs of a batch's views ``(N, ...)``, float32, on a device."""
        numbers = tuple(draws_of(samples).tolist())
        values = self._fetched.get(numbers)
        if values is None:
            values = send(self.values[list(numbers)], device)
        elif values.is_cuda:
            # Fetched on another stream, for which the present one has waited.
            values.record_stream(torch.cuda.current_stream())
        return values.float()


class CachedOutputsMethod(Method):
    """Caches outputs of the network at the start of a step, in place of keeping the network.

    They are of augmented views of the step's images, from which training then draws.

    Args:
        num_views: Augmented views of an image. The cache takes 2 bytes for each view and number.

    Attributes:
        cache: What :meth:`cached` gave at the start of the step; None in the first one.
    """

    requires = frozenset({"old_outputs"})
    uncompiled = ("cache.lookup",)
    num_views: int = at_least_one(4)
    cache: OutputCache | None = None

    def cache_outputs(self, context: TaskContext) -> None:
        """Fill the cache, at the start of a step."""
        adapter = context.adapter
        assert context.views is not None
        adapter.network.eval()
        self.cache = OutputCache(
            context.views(self.num_views),
            lambda inputs: self.cached(adapter, adapter.outputs(inputs)),
        )
        adapter.network.train()
        context.log(f"cached the outputs of {len(self.cache.values)} views")

    def cached(self, adapter, outputs) -> Tensor:
        """What of the outputs at the start of the step its losses need: ``(N, ...)``."""
        raise NotImplementedError

    def fetch(self, samples) -> None:
        """The cached outputs."""
        if self.cache is not None:
            self.cache.fetch(samples, get_device())

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go."""
        self.cache = None
        return {}


def in_order(batches: Iterable[tuple[Tensor, ...]]) -> list[Tensor]:
    """What all processes have of every view, in main memory and in the order of the numbers.

    Args:
        batches: Of this process, which may have none: the views' numbers, then what there is of
            each, for which one tensor is returned. They are read one by one.
    """
    own = [[part.cpu() for part in batch] for batch in batches]
    shares = all_gather_object(tuple(map(torch.cat, zip(*own, strict=True))))
    numbers, *parts = map(torch.cat, zip(*filter(None, shares), strict=True))
    order = numbers.argsort()
    return [part[order] for part in parts]


def draws_of(samples) -> Tensor:
    """Numbers of the views of a batch ``(N,)`` int64."""
    if isinstance(samples, list):
        return torch.tensor([sample.metainfo["draw"] for sample in samples])
    return samples.draws
