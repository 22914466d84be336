"""An endless sampler whose draws are functions of their number."""

from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from vdfd_seg.datasets.seeding import derived_seed


class DrawSampler(Sampler):
    """Endless shuffled passes over a dataset, as pairs (position, draw number).

    Draw ``n`` of the whole job is number ``n mod N`` of pass ``n // N``; with
    several processes, process ``r`` of ``W`` takes the draws ``r, r + W, ...``.

    Args:
        dataset: The dataset, of N samples.
        seed: Base of the shuffles.
        start: First draw of the whole job: images already consumed by all
            processes of an interrupted run.
    """

    def __init__(self, dataset: Sized, seed: int, start: int = 0):
        self.size = len(dataset)
        self.seed = seed
        self.start = start
        self.rank, self.world = get_dist_info()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        number = self.start + self.rank
        current, order = -1, []
        while True:
            turn, place = divmod(number, self.size)
            if turn != current:
                generator = torch.Generator().manual_seed(derived_seed(self.seed, "pass", turn))
                current, order = turn, torch.randperm(self.size, generator=generator).tolist()
            yield order[place], number
            number += self.world

    def __len__(self) -> int:
        return self.size
