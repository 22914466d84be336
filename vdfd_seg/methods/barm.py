"""BARM: what a step changes of the background is a residual, next to features of its own."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.losses import sigmoid_cross_entropy, sigmoid_distillation, wide
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import at_middle
from vdfd_seg.methods.common.options import not_negative, positive
from vdfd_seg.methods.common.pseudo_labels import with_old_classes
from vdfd_seg.methods.common.sigmoid_rows import (
    SigmoidMethod,
    mean_where,
    subtract_background,
)
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.registry import METHODS


class Ear(nn.Module):
    r"""A later step's own features :math:`f_t = \max(V_t * x + v_t, 0)`, and its residual row.

    A 3x3 convolution of the classifier's input x, which begins as x. :math:`b_t` begins as 0.

    Args:
        width: d, channels of x.
        first: The first class of the step.

    Attributes:
        conv: ``(d, 9 d + 1)``, weights and biases of the convolution.
        row: ``(1, d + 1)``, weights and bias of the residual.
    """

    def __init__(self, width: int, first: int):
        super().__init__()
        self.first = first
        conv = nn.init.dirac_(torch.empty(width, width, 3, 3)).flatten(1)
        self.conv = nn.Parameter(F.pad(conv, (0, 1)))
        self.row = nn.Parameter(torch.zeros(1, width + 1))

    @classmethod
    def of(cls, state: dict) -> "Ear":
        """The one whose :meth:`carried` this is."""
        ear = cls(len(state["conv"]), state["first"])
        ear.load_state_dict({name: state[name] for name in ("conv", "row")})
        return ear

    def carried(self) -> dict:
        """Its first class, and copies of both."""
        return {"first": self.first, **{k: v.clone() for k, v in self.state_dict().items()}}

    def forward(self, x: Tensor) -> Tensor:
        """The step's features ``(N, d, h, w)``."""
        weight = self.conv[:, :-1].unflatten(1, (-1, 3, 3))
        return F.conv2d(x, weight, self.conv[:, -1], padding=1).relu()

    def residual(self, features: Tensor) -> Tensor:
        """``(N, 1, h, w)`` of the step's features."""
        return F.conv2d(features, self.row[:, :-1, None, None], self.row[:, -1])


def scores_of_steps(x: Tensor, ears, rows: Tensor, bias) -> tuple[list[Tensor], list[Tensor]]:
    """Each step's features ``(N, d, h, w)`` and scores ``(N, 1 + classes, h, w)``.

    The first score is the background's, later its residual, then come those of the step's classes.
    ``rows`` ``(C, d)`` and ``bias`` are of all classes.
    """
    maps, scores, start = [x, *(ear(x) for ear in ears)], [], 0
    ends = [*(ear.first for ear in ears), len(rows)]
    for features, ear, end in zip(maps, [None, *ears], ends, strict=True):
        own = None if bias is None else bias[start:end]
        classes = F.conv2d(features, rows[start:end, :, None, None], own)
        parts = [classes] if ear is None else [ear.residual(features), classes]
        scores.append(wide(torch.cat(parts, 1)))
        start = end
    return maps, scores


def unified(scores: list[Tensor]) -> Tensor:
    r"""Logits of all classes, the background's being :math:`b_0 + \sum_t \min(b_t, 0)`."""
    background = scores[0][:, :1] + sum(each[:, :1].clamp(max=0) for each in scores[1:])
    return torch.cat([background, *(each[:, 1:] for each in scores)], 1)


@METHODS.register_module()
class BARM(SigmoidMethod):
    r"""Residuals of the background, and distillation of the scores of all earlier steps.

    .. math::
        L = \ell + \lambda_b \, \mathrm{mean}_{y_p = 0} \max\big((\sigma(b_{t,p}) - 1)^2
        - \sigma(b_{t,p})^2, 0\big) + \lambda_o \, \mathrm{mean}_{y_p \ge K}
        {-\log(1 - \sigma(b_{t,p}))} \\
        + \lambda_f \sum_{s < t} \mathrm{mean}_{p} [y_p = 0] \frac{1}{d}
        \lVert f_{s,p} - \tilde f_{s,p} \rVert^2
        + \lambda_k \frac{1}{|P|} \sum_p \sum_{s < t} \sum_i
        \mathrm{BCE}\big(\sigma(o_{s,p,i}), \sigma(\tilde o_{s,p,i})\big)

    Zhang and Gao, "Background Adaptation with Residual Modeling for Exemplar-Free Class-Incremental
    Semantic Segmentation", ECCV 2024. Each class has a sigmoid, the background too. Step t > 0 has
    features :math:`f_t` of its own (:class:`Ear`); :math:`f_0` is the classifier's input. Its
    scores :math:`o_t` are the residual :math:`b_t` and the logits of its classes, read from
    :math:`f_t` by rows of the network's classifier. The background's logit is
    :math:`b_0 + \sum_t \min(b_t, 0)`; while a step trains, its own :math:`b_t` is taken whole, so
    that it has a gradient where it is positive.

    :math:`\ell` is the mean over labelled pixels of the binary cross-entropies of all classes. A
    pixel labelled background becomes the old class with the greatest score, if this is the
    greatest of all and its sigmoid at least ``threshold``. It has no gradient of old classes and
    earlier residuals, so old classes, which would add a constant, are left out. With a tilde is
    what the network gave at the start of the step. After a step 0 that another method trained,
    :func:`~vdfd_seg.methods.common.sigmoid_rows.subtract_background` makes sigmoids of a softmax.

    The features of a step read the classifier's input here, and start as it. In the released code
    they read the ASPP's output, and start as the 3x3 convolution before the first classifier. They
    and the residuals are carried, for :meth:`predict`. Constants are the released code's for VOC.

    Args:
        threshold: Least sigmoid of a pseudo-label; above 1, there are none.
        residual_weight: :math:`\lambda_b`.
        new_weight: :math:`\lambda_o`.
        feature_weight: :math:`\lambda_f`.
        kd_weight: :math:`\lambda_k`.
        ear_lr: Learning rate of :math:`f_t` and :math:`b_t`, by SGD with Nesterov momentum 0.9
            and weight decay 1e-4; it follows the network's.
        old_ear_lr: That of the earlier ones.
        num_views: Augmented views of an image whose features are cached.
    """

    threshold: float = not_negative(0.7)
    residual_weight: float = not_negative(5.0)
    new_weight: float = not_negative(1.0)
    feature_weight: float = not_negative(4.0)
    kd_weight: float = not_negative(1.0)
    ear_lr: float = positive(0.001)
    old_ear_lr: float = positive(0.0001)
    # Ears, rows and biases at the start of the step. In a tuple: they are not trained or saved.
    _old: tuple = ()

    def __init__(self, **options):
        super().__init__(**options)
        self.ears = nn.ModuleList()

    def before_task(self, context: TaskContext) -> None:
        """Take the carried features and residuals, cache the classifier's input, and add an ear."""
        self.num_old, adapter = context.num_old, context.adapter
        if "ears" not in context.carried:
            subtract_background(adapter, self.num_old)
        if not context.step:
            return
        self.restore(context.carried)
        self.cache_outputs(context)
        rows, bias = adapter.classifier()
        self.ears.to(rows.device)
        ears = copy.deepcopy(self.ears).requires_grad_(False)
        classifier = (p if p is None else p[: self.num_old].detach().clone() for p in (rows, bias))
        self._old = (ears, *classifier)
        self.ears.append(Ear(rows.shape[1], self.num_old).to(rows.device))
        rates = [self.old_ear_lr] * len(ears) + [self.ear_lr]
        self.optimizer = torch.optim.SGD(
            [{"params": e.parameters(), "lr": lr} for e, lr in zip(self.ears, rates, strict=True)],
            momentum=0.9, nesterov=True, weight_decay=1e-4,
        )  # fmt: skip

    def cached(self, adapter, outputs) -> Tensor:
        """The classifier's input."""
        return outputs.embedding

    def task_loss(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """All terms, from one pass through each step's features."""
        labels = adapter.labels(samples)
        if self.cache is None:
            pixels = sigmoid_cross_entropy(adapter.upsample(outputs.logits, labels), labels)
            losses = {"decode.loss_bce": mean_where(pixels, labels != IGNORE_INDEX)}
        else:
            old = self.cache.lookup(samples, labels.device)
            losses = self.later_losses(adapter, outputs.embedding, old, labels)
        return {**losses, **adapter.auxiliary_losses(outputs, samples)}

    def later_losses(self, adapter, new: Tensor, old: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms, of the classifier's input now and at the start of the step."""
        maps, (*earlier, own) = scores_of_steps(new, self.ears, *adapter.classifier())
        with torch.no_grad():
            old_maps, old_scores = scores_of_steps(old, *self._old)
            scores = adapter.upsample(unified(old_scores), labels).sigmoid()
            flat = scores.movedim(1, -1).flatten(0, 2)
            pseudo = with_old_classes(labels.flatten(), flat, self.threshold).view_as(labels)
        background = unified(earlier)[:, :1].detach() + own[:, :1]
        logits = adapter.upsample(torch.cat([background, own[:, 1:]], 1), labels)
        pixels = sigmoid_cross_entropy(logits[:, :1], pseudo)
        pixels = pixels + sigmoid_cross_entropy(logits[:, 1:], pseudo, self.num_old)

        residual, middle = own[:, 0], at_middle(labels, own.shape[-2:])
        hidden = middle == 0
        adapted = mean_where((1 - 2 * residual.sigmoid()).relu(), hidden)
        rejected = mean_where(F.softplus(residual), ~hidden & (middle != IGNORE_INDEX))
        moved = [
            (wide(after) - wide(before)).square().mean(1).mul(hidden).mean()
            for after, before in zip(maps[:-1], old_maps, strict=True)
        ]
        kept = sigmoid_distillation(torch.cat(earlier, 1), torch.cat(old_scores, 1))
        return {
            "decode.loss_bce": mean_where(pixels, labels != IGNORE_INDEX),
            "loss_residual": self.residual_weight * adapted,
            "loss_new": self.new_weight * rejected,
            "loss_features": self.feature_weight * torch.stack(moved).sum(),
            "loss_kd": self.kd_weight * kept,
        }

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go, and carry each step's features and residual."""
        super().after_task(context)
        self._old = ()
        return {"ears": [ear.carried() for ear in self.ears]}

    def restore(self, state: dict) -> None:
        """Take the features and residuals."""
        self.ears = nn.ModuleList(map(Ear.of, state.get("ears", [])))

    def predict(self, adapter, inputs: Tensor, samples: list | None):
        """The network's own way from logits to predictions, with these logits."""

        def replaced(layer, arguments: tuple[Tensor], _) -> Tensor:
            (x,) = arguments
            return unified(scores_of_steps(x, self.ears.to(x.device), *adapter.classifier())[1])

        layer = adapter.network.get_submodule(adapter.classifier_name)
        handle = layer.register_forward_hook(replaced)
        try:
            return super().predict(adapter, inputs, samples)
        finally:
            handle.remove()
