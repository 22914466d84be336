"""A frozen trunk, and a classifier that grows on it."""

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.frozen_rows import RowFreezingMethod
from vdfd_seg.methods.common.options import at_least_one, one_of
from vdfd_seg.models import SegmentationAdapter
from vdfd_seg.registry import METHODS


def freeze_trunk(adapter: SegmentationAdapter) -> None:
    """Let only the classifier of the main head train."""
    trained = {f"{adapter.classifier_name}.{kind}" for kind in ("weight", "bias")}
    for name, parameter in adapter.network.named_parameters():
        parameter.requires_grad_(name in trained)


@METHODS.register_module()
class FrozenTrunk(RowFreezingMethod):
    """Everything but the classifier stays as the first task left it; the rest is the task's loss.

    The baseline, and the base, of methods that keep no network: where the background hides old
    classes the loss is MiB's unbiased cross-entropy, and new rows start from the background's.

    From the second step on, the classifier's input is computed once for ``num_views`` augmented
    views of each image. Training draws from these features in place of images, so a step takes
    seconds.

    Args:
        num_views: Augmented views of an image. The cache takes 2 bytes for each view, feature and
            position.
        old_rows: Whether the classifier's rows of old classes train (``"free"``) or do not
            (``"frozen"``; nor does the background's).

    Attributes:
        training_features: The cache; None at the first step.
    """

    unbiased_loss = True
    new_rows = "balanced"
    requires = frozenset({"features"})
    problems = ("segmentation",)
    num_views: int = at_least_one(4)
    old_rows: str = one_of("free", "frozen")

    def before_task(self, context: TaskContext) -> None:
        """Freeze the trunk, and compute the features."""
        if not context.step:
            return
        if self.old_rows == "frozen":
            self.frozen = slice(context.num_old)
        freeze_trunk(context.adapter)
        self.training_features = FeatureCache(context, self.num_views)

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go."""
        self.training_features = None
        return {}
