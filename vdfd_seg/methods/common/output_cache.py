"""The outputs of a network for the augmented views of a step's images, computed once."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.dist import all_gather_object
from torch import Tensor


class OutputCache:
    """Outputs of every view, in half precision and in main memory.

    Args:
        batches: Pairs of inputs and data samples, as :attr:`TaskContext.views` gives them.
        outputs: Gives the outputs ``(N, ...)`` of a batch's inputs.

    Attributes:
        values: ``(views, ...)`` float16, in the order of the views' numbers.
    """

    def __init__(self, batches: Iterable[tuple[Tensor, Any]], outputs: Callable[..., Tensor]):
        numbers, values = [], []
        with torch.no_grad():
            for inputs, samples in batches:
                numbers.append(draws_of(samples).cpu())
                values.append(outputs(inputs).half().cpu())
        parts = all_gather_object((torch.cat(numbers), torch.cat(values)))
        order = torch.cat([part[0] for part in parts]).argsort()
        self.values = torch.cat([part[1] for part in parts])[order]

    def lookup(self, samples, device) -> Tensor:
        """The outputs of a batch's views ``(N, ...)``, float32, on a device."""
        return self.values[draws_of(samples).cpu()].to(device).float()


def draws_of(samples) -> Tensor:
    """Numbers of the views of a batch ``(N,)`` int64."""
    if isinstance(samples, list):
        return torch.tensor([sample.metainfo["draw"] for sample in samples])
    return samples.draws
