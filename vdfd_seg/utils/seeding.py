"""Random states as functions of where a run stands, so that resuming replays nothing."""

import hashlib
import random

import numpy as np
import torch
from mmengine.device import get_device


def derived_seed(*parts: object) -> int:
    """A 31-bit seed that depends on every part and on their order."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def seed_generators(seed: int) -> None:
    """Seed Python, NumPy and torch, on the CPU and on the device that computes."""
    random.seed(seed)
    np.random.seed(seed)
    if get_device() not in ("cpu", "cuda"):
        torch.manual_seed(seed)
        return
    # torch.manual_seed notes a stack trace for each kind of device that is not in use: that takes
    # longer than all the rest, and this is called once an image.
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)
