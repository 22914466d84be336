"""VDFD's bound over the inputs that a step has."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vdfd_seg.distillation import VariationalBound
from vdfd_seg.distillation.precision import PRECISIONS
from vdfd_seg.errors import InputError
from vdfd_seg.losses import new_classes_as_background
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.gaussian_classifier import GaussianClassifier, within_tasks
from vdfd_seg.methods.common.options import at_least_one, not_negative, one_of, positive
from vdfd_seg.methods.common.output_cache import OutputCache
from vdfd_seg.methods.lwf import distillation_over_groups
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import METHODS

FAMILIES = ("gaussian", "categorical")


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

    That is the bound of a Gaussian, :math:`\log q(t \mid s)` being the logarithm of its density.
    With ``family="categorical"`` it is the one of a categorical distribution, which knows that
    outputs are logits of a softmax:

    .. math::
        L = L_{task} + \lambda \sum_g \frac{1}{|P|} \sum_p -\sum_{c \in g}
            \mathrm{softmax}(t_{g,p} / T)_c \log \mathrm{softmax}(s_{g,p} / T)_c,

    over groups g of classes that compete: each old task's where the task is known, else all old
    ones. It is what LwF, and with the background above MiB, compute from a network that is run
    along; there is no precision to learn, and the ``precision``, ``eps`` and ``gcn`` options mean
    nothing.

    Image classifiers may also keep ``gaussians``: each class is carried as the mean :math:`\mu_c`
    of its features, with one covariance :math:`\Sigma` for all
    (:class:`~vdfd_seg.distillation.ClassGaussians`). What a step does to the features of its own
    images, as they are and turned by multiples of 90 degrees, gives linear maps by which the
    Gaussians of old classes are moved on, each by the images that were near it. An image then
    scores, of a task's classes g,

    .. math::
        \log \mathrm{softmax}(s_g) + a \log \mathrm{softmax}(r_g), \qquad
        r_c = \log N(h; \mu_c, S), \qquad S = \Sigma + \frac{\mathrm{tr} \Sigma}{d} I,

    where its task is known; else :math:`r_c` alone, for heads of different tasks were never
    trained against each other.

    Args:
        weight: :math:`\lambda`.
        family: ``"gaussian"`` or ``"categorical"``.
        temperature: T, for the categorical family.
        views: Augmented views of an image. As many as the step has passes are as good as a
            network that is run along; the cache takes 2 bytes for each view, class and position.
        precision: ``"gcn"`` or ``"identity"``.
        eps: :math:`\varepsilon`.
        gcn_lr: Learning rate of the GCN's own Adam; the network's schedule applies to it, too.
        gcn_weight_decay: Its weight decay.
        gcn_widths: Hidden and output width of the GCN; default d/16 and d/8.
        gaussians: a, for image classifiers; 0, the default, carries no Gaussians and predicts
            from the heads. Under label augmentation predictions are then of the image as it is.

    Raises:
        InputError: For an option out of range, for ``gaussians`` in segmentation, or after a step
            that carries none.
    """

    requires = frozenset({"old_heads", "old_outputs"})
    unbiased_loss = True
    new_rows = "balanced"

    def __init__(
        self,
        weight: float = 0.1,
        family: str = "gaussian",
        temperature: float = 1.0,
        views: int = 4,
        precision: str = "gcn",
        eps: float = 1e-3,
        gcn_lr: float = 7e-4,
        gcn_weight_decay: float = 5e-4,
        gcn_widths: tuple[int, int] | None = None,
        gaussians: float = 0.0,
    ):
        super().__init__()
        one_of(self, FAMILIES, family=family)
        one_of(self, PRECISIONS, precision=precision)
        not_negative(self, weight=weight, gcn_weight_decay=gcn_weight_decay, gaussians=gaussians)
        positive(self, temperature=temperature, eps=eps, gcn_lr=gcn_lr)
        at_least_one(self, views=views)
        self.weight = weight
        self.family = family
        self.temperature = temperature
        self.count = views
        self.precision = precision
        self.eps = eps
        self.gcn_lr = gcn_lr
        self.gcn_weight_decay = gcn_weight_decay
        self.gcn_widths = (None, None) if gcn_widths is None else tuple(gcn_widths)
        self.gaussians = gaussians
        if gaussians:
            self.requires = self.requires | {"labels"}
        self.read_out = GaussianClassifier() if gaussians else None
        self.bound: VariationalBound | None = None
        self.cache: OutputCache | None = None
        self.num_old = 0
        self.groups: list[int] = []
        self.hides = False

    def check(self, protocol: Protocol) -> None:
        """Refuse Gaussians of pixels."""
        if self.gaussians and protocol.problem != "classification":
            raise InputError("method VDFDPlus: gaussians is for classification; leave it at 0.")

    def before_task(self, context: TaskContext) -> None:
        """Cache the outputs, and build the bound."""
        if context.step and self.read_out is not None:
            if "gaussians" not in context.carried:
                raise InputError(
                    f"method VDFDPlus: step {context.step - 1} was trained without gaussians and "
                    f"carries none; set method.gaussians=0, or train from step 0."
                )
            self.read_out.begin(context)
        if not context.step or not self.weight:
            return
        protocol, adapter = context.protocol, context.adapter
        sizes = [size for size in protocol.task_sizes(context.step - 1) if size]
        self.num_old = sum(sizes)
        self.hides = self.num_hidden(context) > 0
        self.groups = sizes if protocol.scenario == "task" else [self.num_old]
        if self.family == "gaussian":
            self._build_bound(adapter.classifier()[0].detach()[: self.num_old].split(sizes))
        self.views = self.count
        assert context.views is not None
        adapter.network.eval()
        self.cache = OutputCache(
            context.views(self.count), lambda inputs: self._of_old_classes(adapter.logits(inputs))
        )
        adapter.network.train()
        context.log(f"cached the outputs of {len(self.cache.values)} views")

    def _build_bound(self, prototypes: Sequence[Tensor]) -> None:
        self.bound = VariationalBound(prototypes, self.precision, self.eps, *self.gcn_widths)
        if self.bound.precision_model is not None:
            self.optimizer = torch.optim.Adam(
                self.bound.parameters(), lr=self.gcn_lr, weight_decay=self.gcn_weight_decay
            )

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted bound; a Gaussian's two terms beside it, for the log."""
        if self.cache is None:
            return {}
        new = self._of_old_classes(outputs.logits)
        old = self.cache.of(samples, new.device)
        if self.bound is None:
            groups = zip(new.split(self.groups, 1), old.split(self.groups, 1), strict=True)
            return {"loss_bound": self.weight * distillation_over_groups(groups, self.temperature)}
        quadratic, log_det = self.bound.terms(new, old)
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
        """Let the cache go; nothing is carried but the Gaussians."""
        self.cache = None
        if self.read_out is None:
            return {}
        return {"gaussians": self.read_out.end(context, context.carried.get("gaussians", {}))}

    def restore(self, state: dict) -> None:
        """Take the Gaussians."""
        if self.read_out is not None and "gaussians" in state:
            self.read_out.restore(state["gaussians"])

    def predict(self, adapter, inputs: Tensor, samples):
        """Predictions of the heads, or scores ``(N, C)`` with the Gaussians."""
        if self.read_out is None or self.read_out.discriminant is None:
            return super().predict(adapter, inputs, samples)
        outputs = adapter.outputs(inputs)
        scores = self.read_out.scores(outputs.embedding)
        if adapter.scenario != "task":
            return scores
        sizes = adapter.network.head_sizes
        return within_tasks(outputs.logits.float(), scores, sizes, self.gaussians)
