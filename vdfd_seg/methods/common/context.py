"""What a method gets at the start and at the end of a task."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from vdfd_seg.protocols import Protocol


@dataclass
class TaskContext:
    """One step, as a method sees it.

    Attributes:
        protocol: The protocol.
        step: The step, from 0.
        adapter: Adapter of the network being trained.
        carried: The method's state from the step before, ``{}`` at the first.
        batches: Opens one deterministic pass over the step's training images
            (test pipeline, evaluation order, training labels): an iterator over
            pairs (inputs on the network's device, data samples). ``limit`` stops
            after that many images, at equal distances in the step's. Under
            distributed training each process gets its share. ``samples`` reads
            others than the step's own.
        old_network: Builds the network of the step before, in evaluation mode
            and without gradients; None at the first step. Only for methods that
            require ``old_network``.
        samples: The step's own training samples, in the order of ``batches``.
        seed: A seed of the step, for what a method draws at random.
        views: Opens one pass over so many augmented views of each training image, as pairs like
            those of ``batches``; a sample carries the number of its view, and training draws the
            same views where the method sets ``num_views``. Each process gets its share.
        device: Where the network is.
        log: Writes one line to the step's log.
    """

    protocol: Protocol
    step: int
    adapter: Any
    carried: dict
    batches: Callable[..., Iterator[tuple[Tensor, Any]]]
    old_network: Callable[[], nn.Module] | None = None
    device: Any = "cpu"
    log: Callable[[str], None] = field(default=print)
    samples: list = field(default_factory=list)
    seed: int = 0
    views: Callable[[int], Iterator[tuple[Tensor, Any]]] | None = None

    @property
    def num_old(self) -> int:
        """Number of classes known before this step."""
        return self.protocol.num_old(self.step)

    @property
    def num_hidden(self) -> int:
        """Number of old classes that the step's labels hide in the background."""
        return self.num_old if self.protocol.hides else 0
