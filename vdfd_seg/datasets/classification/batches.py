"""Whole batches of small images out of memory, without a Python loop over images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vdfd_seg.utils.device import send


@dataclass(frozen=True)
class LabelledImages:
    """What is known of a batch of images apart from their pixels.

    Attributes:
        labels: ``(N,)`` int64 labels in the order of the network's outputs.
        tasks: ``(N,)`` int64: the task of each image.
        random: ``(N,)`` int64, 63 random bits an image, for its augmentation; None in evaluation.
        draws: ``(N,)`` int64, the numbers from which these follow; None in evaluation.
    """

    labels: Tensor
    tasks: Tensor
    random: Tensor | None = None
    draws: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "LabelledImages":
        """A copy on a device; the numbers of the draws stay where they are."""
        random = None if self.random is None else send(self.random, device)
        labels, tasks = send(self.labels, device), send(self.tasks, device)
        return replace(self, labels=labels, tasks=tasks, random=random)


class ImageBatches(Dataset):
    """Batches of images that lie in memory as uint8.

    Indexed with a list of positions, or of pairs (position, draw number); the latter carry
    random bits that are a function of (seed, draw number) alone, so that an interrupted run
    draws the same augmentations again, whatever the batch and the number of processes.

    Args:
        images: ``(M, H, W, 3)`` uint8, kept as it is and on its device.
        positions, labels, tasks: ``(N,)`` which of them are served, and each one's label, in the
            order of the network's outputs, and task.
        seed: Base of the random bits.
        classes: Class names in label order, for MMEngine's ``metainfo``.
    """

    def __init__(
        self,
        images: Tensor,
        positions: Sequence[int],
        labels: Sequence[int],
        tasks: Sequence[int],
        seed: int = 0,
        classes: Sequence[str] = (),
    ):
        self.metainfo = {"classes": tuple(classes)}
        self.images = images
        self.positions = torch.as_tensor(np.asarray(positions, dtype=np.int64))
        self.labels = torch.as_tensor(np.asarray(labels, dtype=np.int64))
        self.tasks = torch.as_tensor(np.asarray(tasks, dtype=np.int64))
        self.seed = seed

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, keys: Sequence) -> dict:
        """``inputs`` ``(B, 3, H, W)`` uint8 and ``data_samples``, a :class:`LabelledImages`."""
        places = torch.as_tensor(keys)
        random = draws = None
        if places.ndim == 2:
            places, draws = places.unbind(1)
            random = random_bits(self.seed, draws)
        pixels = self.images[send(self.positions[places], self.images.device)]
        return {
            # A view whose memory has the channels last.
            "inputs": pixels.permute(0, 3, 1, 2),
            "data_samples": LabelledImages(self.labels[places], self.tasks[places], random, draws),
        }


def random_bits(seed: int, draws: Tensor) -> Tensor:
    """63 random bits for each draw number: the SplitMix64 generator's output function.

    ``(N,)`` int64, not negative, of draws ``(N,)`` int64 and any integer as seed.
    """
    # Products wrap around, and shifts of negative numbers are masked to be unsigned.
    state = draws * _signed(0x9E3779B97F4A7C15) + _signed(seed * 0xD1342543DE82EF95)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ _shifted(state, shift)) * _signed(factor)
    return (state ^ _shifted(state, 31)) & (2**63 - 1)


def _shifted(value: Tensor, bits: int) -> Tensor:
    return (value >> bits) & (2 ** (64 - bits) - 1)


def _signed(value: int) -> int:
    value %= 2**64
    return value - 2**64 if value >= 2**63 else value
