"""The base of methods that train only the classifier, on features computed once."""

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.frozen_rows import FrozenRows
from vdfd_seg.methods.common.options import at_least_one, one_of
from vdfd_seg.models import SegmentationAdapter


def freeze_trunk(adapter: SegmentationAdapter) -> None:
    """Let only the classifier of the main head train."""
    trained = {f"{adapter.classifier_name}.{kind}" for kind in ("weight", "bias")}
    for name, parameter in adapter.network.named_parameters():
        parameter.requires_grad_(name in trained)


class FrozenTrunkMethod(Method):
    """Freezes everything before the classifier after the first task.

    From the second step on, the classifier's input is computed once for ``num_views`` augmented
    views of each image. Training draws from these features in place of images, so a step takes
    seconds. The network of the step before is contained in the one that trains.

    Args:
        num_views: Augmented views of an image. The cache takes 2 bytes for each view, feature and
            position.
        old_rows: Whether the classifier's rows of old classes train (``"free"``) or do not
            (``"frozen"``; nor does the background's).

    Attributes:
        training_features: The cache; None at the first step.
    """

    requires = frozenset({"features"})
    problems = ("segmentation",)

    def __init__(self, num_views: int = 4, old_rows: str = "free"):
        super().__init__()
        at_least_one(self, num_views=num_views)
        one_of(self, ("free", "frozen"), old_rows=old_rows)
        self.cached_views = num_views
        self.old_rows = old_rows
        self.frozen = FrozenRows(0)

    def before_task(self, context: TaskContext) -> None:
        """Freeze the trunk, and compute the features."""
        if not context.step:
            return
        if self.old_rows == "frozen":
            self.frozen = FrozenRows(context.num_old)
        # The first step, which has no cache, draws new views every time.
        self.num_views = self.cached_views
        freeze_trunk(context.adapter)
        self.training_features = FeatureCache(context, self.num_views)

    def before_update(self, adapter) -> None:
        """Keep frozen rows."""
        self.frozen.before_update(adapter)

    def after_update(self, adapter, learning_rate: float) -> None:
        """Put frozen rows back."""
        self.frozen.after_update(adapter)

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go."""
        self.training_features = None
        return {}
