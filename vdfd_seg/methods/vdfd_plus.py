"""VDFD's bound over the inputs that a step has."""

import torch
from torch import Tensor

from vdfd_seg.distillation import VariationalBound
from vdfd_seg.distillation.precision import PRECISIONS
from vdfd_seg.methods.base import Method
from vdfd_seg.methods.context import TaskContext
from vdfd_seg.methods.options import at_least_one, not_negative, one_of, positive
from vdfd_seg.methods.output_cache import OutputCache
from vdfd_seg.models.losses import new_classes_as_background
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class VDFDPlus(Method):
    r"""The variational bound on the new task's images, with cached outputs.

    .. math::
        L = L_{task} + \lambda \sum_{i<t} \Big( \frac{1}{|P|} \sum_p
            (t_{i,p} - s_{i,p})^\top P_i (t_{i,p} - s_{i,p})
            - \log\det(P_i + \varepsilon I) \Big),

    see :class:`~vdfd_seg.distillation.VariationalBound`. **Not the paper's VDFD**
    (:class:`~vdfd_seg.methods.VDFD`), which takes the same bound over the old inputs to first
    order, from gradients that it carries: here the inputs are the new task's, and nothing is
    carried at all. Outputs t are those of the weights at the start of the step; they are computed
    once, before training, for ``views`` augmented views of each image, from which training then
    draws. No second network is held or run while the step trains.

    Outputs are logits of the old classes, at the head's resolution (pixels). Each task's classes
    have a precision of their own, from the rows that the classifier has when the step begins;
    domain-incremental, all classes have one. Where the background hides old classes, the new
    classes' logits belong to it, as in MiB: :math:`s_0 = \log(e^{o_0} + \sum_{c \ge K} e^{o_c})`,
    and in t alike, whose new rows MiB's balanced start has taken out of the background's: at the
    start of the step s = t, and both are what the network of the step before says. Under
    rotations the images as they are count.

    Args:
        weight: :math:`\lambda`.
        views: Augmented views of an image. As many as the step has passes are as good as a
            network that is run along; the cache takes 2 bytes for each view, class and position.
        precision: ``"gcn"`` or ``"identity"``.
        eps: :math:`\varepsilon`.
        gcn_lr: Learning rate of the GCN's own Adam.
        gcn_weight_decay: Its weight decay.
        gcn_widths: Hidden and output width of the GCN; default d/16 and d/8.

    Raises:
        InputError: For an option out of range.
    """

    trains_old_heads = True
    caches_outputs = True

    def __init__(
        self,
        weight: float = 0.1,
        views: int = 4,
        precision: str = "gcn",
        eps: float = 1e-3,
        gcn_lr: float = 7e-4,
        gcn_weight_decay: float = 5e-4,
        gcn_widths: tuple[int, int] | None = None,
    ):
        super().__init__()
        one_of(self, PRECISIONS, precision=precision)
        not_negative(self, weight=weight, gcn_weight_decay=gcn_weight_decay)
        positive(self, eps=eps, gcn_lr=gcn_lr)
        at_least_one(self, views=views)
        self.weight = weight
        self.count = views
        self.precision = precision
        self.eps = eps
        self.gcn_lr = gcn_lr
        self.gcn_weight_decay = gcn_weight_decay
        self.gcn_widths = (None, None) if gcn_widths is None else tuple(gcn_widths)
        self.bound: VariationalBound | None = None
        self.cache: OutputCache | None = None
        self.num_old = 0
        self.hides = False

    def before_task(self, context: TaskContext) -> None:
        """Cache the outputs, and build the bound."""
        if not context.step or not self.weight:
            return
        protocol, view = context.protocol, context.view
        sizes = [size for size in protocol.task_sizes(context.step - 1) if size]
        self.num_old = sum(sizes)
        self.hides = self.num_hidden(context) > 0
        rows = view.classifier()[0].detach()[: self.num_old]
        self.bound = VariationalBound(
            rows.split(sizes), self.precision, self.eps, *self.gcn_widths
        ).to(context.device)
        if self.bound.precision_model is not None:
            self.optimizer = torch.optim.Adam(
                self.bound.parameters(), lr=self.gcn_lr, weight_decay=self.gcn_weight_decay
            )
        self.views = self.count
        assert context.views is not None
        view.network.eval()
        self.cache = OutputCache(
            context.views(self.count), lambda inputs: self._of_old_classes(view.logits(inputs))
        )
        view.network.train()
        context.log(f"cached the outputs of {len(self.cache.values)} views")

    def extra_losses(self, view, outputs, samples) -> dict[str, Tensor]:
        """The weighted bound; its two terms beside it, for the log."""
        if self.bound is None or self.cache is None:
            return {}
        new = self._of_old_classes(outputs.logits)
        quadratic, log_det = self.bound.terms(new, self.cache.of(samples, new.device))
        return {
            "loss_bound": self.weight * (quadratic - log_det),
            "bound_quadratic": quadratic.detach(),
            "bound_log_det": log_det.detach(),
        }

    def _of_old_classes(self, logits: Tensor) -> Tensor:
        """Logits of the old classes; those of new ones belong to a background that hides them."""
        if self.hides:
            return new_classes_as_background(logits.float(), self.num_old)
        return logits[:, : self.num_old].float()

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go; nothing is carried."""
        self.cache = None
        return {}
