"""VDFD's bound over the inputs that a step has."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vdfd_seg.losses import new_classes_as_background
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.divergences import build_divergence
from vdfd_seg.methods.common.options import at_least_one, not_negative
from vdfd_seg.methods.common.output_cache import OutputCache
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class VDFDPlus(Method):
    r"""The variational bound on the new task's images, with cached outputs.

    .. math::
        L = L_{task} + \lambda D(t, s)

    for outputs t of the weights at the start of the step and s of those that train. **Not the
    paper's VDFD** (:class:`~vdfd_seg.methods.VDFD`), which takes such a bound over the old inputs
    to first order, from gradients that it carries: here the inputs are the new task's, and nothing
    is carried. t is computed once, before training, for ``num_views`` augmented views of each
    image, from which training then draws. No second network is kept or run while the step trains.

    Outputs are logits of the old classes, at the head's resolution (pixels). Where the background
    hides old classes, the new classes' logits belong to it, as in MiB:
    :math:`s_0 = \log(e^{o_0} + \sum_{c \ge K} e^{o_c})`, and likewise in t. After MiB's balanced
    initialisation both are the outputs of the network of the step before when the step starts.
    Under label augmentation the rows of unrotated images count.

    Args:
        weight: :math:`\lambda`.
        divergence: D, a dict with its options: ``dict(type='Softmax', temperature=2.0)`` (default),
            the bound of a categorical distribution, or ``dict(type='GaussianBound')``, the
            paper's; see :mod:`~vdfd_seg.methods.common.divergences`. Or the type alone.
        num_views: Augmented views of an image. As many as the step has passes are as good as a
            network that is run along; the cache takes 2 bytes for each view, class and position.

    Raises:
        InputError: For an option out of range.
    """

    requires = frozenset({"old_heads", "old_outputs"})
    unbiased_loss = True
    new_rows = "balanced"

    def __init__(
        self,
        weight: float = 1.0,
        divergence: str | Mapping[str, Any] = "Softmax",
        num_views: int = 4,
    ):
        super().__init__()
        not_negative(self, weight=weight)
        at_least_one(self, num_views=num_views)
        self.weight = weight
        self.divergence = build_divergence(divergence)
        self.cached_views = num_views
        self.cache: OutputCache | None = None
        self.num_old = 0
        self.hides = False

    def before_task(self, context: TaskContext) -> None:
        """Cache the outputs, and prepare the divergence."""
        if not context.step or not self.weight:
            return
        protocol, adapter = context.protocol, context.adapter
        sizes = [size for size in protocol.task_sizes(context.step - 1) if size]
        self.num_old = sum(sizes)
        self.hides = self.num_hidden(context) > 0
        rows = adapter.classifier()[0].detach()[: self.num_old]
        self.divergence.begin(rows.split(sizes), apart=protocol.scenario == "task")
        self.optimizer = self.divergence.optimizer
        # The first step, which has no cache, draws new views every time.
        self.num_views = self.cached_views
        assert context.views is not None
        adapter.network.eval()
        self.cache = OutputCache(
            context.views(self.num_views),
            lambda inputs: self._of_old_classes(adapter.logits(inputs)),
        )
        adapter.network.train()
        context.log(f"cached the outputs of {len(self.cache.values)} views")

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted divergence, and its parts for the log."""
        if self.cache is None:
            return {}
        new = self._of_old_classes(outputs.logits)
        value, parts = self.divergence(new, self.cache.lookup(samples, new.device))
        logged = {f"bound_{name}": part for name, part in parts.items()}
        return {"loss_bound": self.weight * value, **logged}

    def _of_old_classes(self, logits: Tensor) -> Tensor:
        """Logits of the old classes; those of new ones belong to a background that hides them."""
        if self.hides:
            return new_classes_as_background(logits.float(), self.num_old)
        return logits[:, : self.num_old].float()

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go."""
        self.cache = None
        return {}
