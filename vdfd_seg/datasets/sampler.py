"""An endless sampler whose draws are functions of their number."""

from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from vdfd_seg.utils.seeding import derived_seed


class DrawSampler(Sampler):
    """Endless shuffled passes over a dataset, as pairs (position, draw number).

    Draw ``n`` of the whole job is number ``n mod N`` of pass ``n // N``; with several processes,
    process ``r`` of ``W`` takes the draws ``r, r + W, ...``. With ``views`` the number that comes
    with a position is the view's, ``position * views + n // N mod views``: as augmentation follows
    from it, an image comes in so many augmented views, one after another.

    Args:
        dataset: The dataset, of N samples.
        seed: Base of the shuffles.
        start: First draw of the whole job: images that an interrupted run has consumed.
        views: Augmented views of an image; None for a new one at every draw.
    """

    def __init__(self, dataset: Sized, seed: int, start: int = 0, views: int | None = None):
        self.size = len(dataset)
        self.seed = seed
        self.start = start
        self.views = views
        self.rank, self.world = get_dist_info()

    def __iter__(self) -> Iterator[tuple[int, int]]:
        number = self.start + self.rank
        current, order = -1, []
        while True:
            turn, place = divmod(number, self.size)
            if turn != current:
                generator = torch.Generator().manual_seed(derived_seed(self.seed, "pass", turn))
                current, order = turn, torch.randperm(self.size, generator=generator).tolist()
            position = order[place]
            yield position, position * self.views + turn % self.views if self.views else number
            number += self.world

    def __len__(self) -> int:
        return self.size
