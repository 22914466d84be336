"""Random state as a function of the iteration."""

from mmengine.dist import get_rank
from mmengine.hooks import Hook

from vdfd_seg.utils.seeding import derived_seed, seed_generators


class IterationSeedHook(Hook):
    """Reseeds every generator before each iteration from (seed, iteration, rank).

    MMEngine saves no random state; with this hook an iteration's dropout does not
    depend on what ran before it, so a resumed run equals one never stopped.
    """

    priority = "VERY_HIGH"

    def __init__(self, seed: int):
        self.seed = seed

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Reseed Python, NumPy and torch."""
        seed_generators(derived_seed(self.seed, "iteration", runner.iter, get_rank()))
