"""Bringing tensors to a device."""

import torch
from torch import Tensor


def send(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on a device; the processor does not wait for a GPU to have it.

    From memory that may be swapped out a copy to a GPU would start when all that was asked of the
    GPU before is done.
    """
    if torch.device(device).type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
