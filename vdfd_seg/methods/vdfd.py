"""VDFD for networks seen through an adapter: segmentors and classifiers alike."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from vdfd_seg.distillation import (
    GradientMemory,
    MeanGradientEstimator,
    VariationalDistillationLoss,
    penalisable_parameters,
    proximal_step,
    random_directions,
)
from vdfd_seg.distillation.loss import ACCUMULATIONS
from vdfd_seg.distillation.pixels import MEANS
from vdfd_seg.distillation.precision import PRECISIONS
from vdfd_seg.errors import InputError
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import (
    at_least_one,
    none_or_at_least_one,
    not_negative,
    one_of,
    positive,
)
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import METHODS

OLD_ROWS = ("free", "frozen", "penalised")
TREATMENTS = ("gradient", "proximal")


@METHODS.register_module()
class VDFD(Method):
    r"""Variational data-free knowledge distillation.

    Adds :math:`\lambda \sum_{i<t} L_{dis}(w, \theta; D_i)` to the new task's loss
    (Li et al., TPAMI 2023; see
    :class:`~vdfd_seg.distillation.VariationalDistillationLoss`). When a task
    ends, the gradient of its mean logits is estimated over its images,
    compressed, and carried on; neither images nor the network are kept.
    Where the background hides old classes, MiB's unbiased cross-entropy and
    its start of new rows come with it.

    Args:
        weight: :math:`\lambda`.
        rank: Rank of the compressed gradients.
        precision: ``"gcn"``, or ``"identity"`` (DFD).
        eps: :math:`\varepsilon` of the log-determinant.
        gcn_lr: Learning rate of the GCN's own Adam (7e-4 in the paper's CIFAR-100
            recipe); the schedule of the network's applies to it, too.
        gcn_weight_decay: Its weight decay (5e-4 there).
        over: What a class's mean logit is taken over: ``"all"`` pixels, those
            labelled with it (``"label"``) or predicted as it (``"prediction"``).
        images: How many of a task's images the estimate uses; None for all.
        outputs: ``"task"``: the logits of the classes that the task introduced;
            ``"seen"``: of all classes known after it.
        old_rows: Whether the classifier's rows of old classes train on
            (``"free"``), stay as they are (``"frozen"``, class-incremental only) or
            are penalised with the rest (``"penalised"``, with ``over="all"`` only).
        treatment: ``"gradient"``: the penalty is part of the loss (the paper);
            ``"proximal"``: its quadratic term is an implicit step after each
            step of the optimiser, and in the loss it trains the GCN alone.
        unknown: What to do with parameters of a kind that cannot be compressed:
            ``"error"`` or ``"skip"``.
        accumulation: ``"sum"`` over the old tasks, the paper's formula, or ``"last"``, what
            the released class-incremental code does: only the most recent old task is
            penalised, and its quadratic term counts (number of old tasks) squared times.
        gcn_widths: Hidden and output width of the GCN; default d/16 and d/8 for prototypes of
            width d.
        gcn_residual: Add the GCN's input to its output; needs ``gcn_widths=(d, d)``.
        directions: ``"random"`` replaces the gradients by random directions of the same norm:
            a control experiment, which a method that works must beat.

    Raises:
        InputError: For an option that is not one of these.
    """

    # The background shift is not VDFD's matter: the paper has no class-incremental segmentation.
    unbiased_loss = True
    new_rows = "balanced"

    def __init__(
        self,
        weight: float = 1.0,
        rank: int = 1,
        precision: str = "gcn",
        eps: float = 1e-3,
        gcn_lr: float = 7e-4,
        gcn_weight_decay: float = 5e-4,
        over: str = "all",
        images: int | None = None,
        outputs: str = "task",
        old_rows: str = "free",
        treatment: str = "gradient",
        unknown: str = "error",
        accumulation: str = "sum",
        gcn_widths: tuple[int, int] | None = None,
        gcn_residual: bool = False,
        directions: str = "gradient",
    ):
        super().__init__()
        one_of(self, PRECISIONS, precision=precision)
        one_of(self, MEANS, over=over)
        one_of(self, ("task", "seen"), outputs=outputs)
        one_of(self, OLD_ROWS, old_rows=old_rows)
        one_of(self, TREATMENTS, treatment=treatment)
        one_of(self, ("error", "skip"), unknown=unknown)
        one_of(self, ACCUMULATIONS, accumulation=accumulation)
        one_of(self, ("gradient", "random"), directions=directions)
        not_negative(self, weight=weight, gcn_weight_decay=gcn_weight_decay)
        positive(self, eps=eps, gcn_lr=gcn_lr)
        at_least_one(self, rank=rank)
        none_or_at_least_one(self, images=images)
        if old_rows == "penalised" and over != "all":
            raise InputError("method VDFD: old_rows='penalised' needs over='all'.")
        self.weight = weight
        self.rank = rank
        self.precision = precision
        self.eps = eps
        self.gcn_lr = gcn_lr
        self.gcn_weight_decay = gcn_weight_decay
        self.over = over
        if over == "label":
            self.requires = self.requires | {"labels"}
        self.images = images
        self.outputs = outputs
        self.old_rows = old_rows
        self.treatment = treatment
        self.unknown = unknown
        self.accumulation = accumulation
        self.gcn_widths = (None, None) if gcn_widths is None else tuple(gcn_widths)
        self.gcn_residual = gcn_residual
        self.directions = directions
        self.penalty: VariationalDistillationLoss | None = None
        self.num_old = 0
        self.frozen_rows: dict[str, Tensor] = {}

    def check(self, protocol: Protocol) -> None:
        """Refuse ``old_rows`` where old rows are not a matter of the method."""
        if self.old_rows != "free" and protocol.problem == "classification":
            raise InputError(
                f"method VDFD: old_rows='{self.old_rows}' is for segmentation: the heads of a "
                f"classifier's old tasks stay as they are with model.label_trick=True."
            )
        if self.old_rows == "frozen" and protocol.scenario != "class":
            raise InputError(
                "method VDFD: old_rows='frozen' is for class-incremental protocols: here every "
                "step trains the rows of all classes."
            )

    def before_task(self, context: TaskContext) -> None:
        """Build the penalty from the memories of the tasks before."""
        self.num_old = context.num_old
        states = context.carried.get("memories", [])
        if states and self.weight:
            params = self._penalised(context)
            if self.old_rows == "penalised":
                named = dict(context.adapter.network.named_parameters())
                params.update({name: named[name] for name in self._classifier(context.adapter)})
            memories = [GradientMemory.from_state(state) for state in states]
            self.penalty = VariationalDistillationLoss(
                # Growth may have moved old rows: hold on to them as they are now.
                [memory.reanchored(params) for memory in memories],
                params,
                precision=self.precision,
                eps=self.eps,
                accumulation=self.accumulation,
                hidden_channels=self.gcn_widths[0],
                out_channels=self.gcn_widths[1],
                residual=self.gcn_residual,
            ).to(context.device)
            if self.penalty.precision_model is not None:
                self.optimizer = torch.optim.Adam(
                    self.penalty.precision_model.parameters(),
                    lr=self.gcn_lr,
                    weight_decay=self.gcn_weight_decay,
                )

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted penalty; its two terms beside it, for the log."""
        if self.penalty is None:
            return {}
        quadratic, log_det = self.penalty.terms(hold_weights=self.treatment == "proximal")
        return {
            "loss_vdfd": self.weight * (quadratic - log_det),
            "vdfd_quadratic": quadratic.detach(),
            "vdfd_log_det": log_det.detach(),
        }

    def before_update(self, adapter) -> None:
        """Clear the gradients of frozen old rows, and keep the rows themselves."""
        if self.old_rows == "frozen" and self.num_old:
            parameters = dict(adapter.network.named_parameters())
            for name in adapter.rows:
                if parameters[name].grad is not None:
                    parameters[name].grad[: self.num_old] = 0
                self.frozen_rows[name] = parameters[name].detach()[: self.num_old].clone()

    def after_update(self, adapter, learning_rate: float) -> None:
        """Undo weight decay and momentum on frozen rows; the proximal treatment's step."""
        if self.frozen_rows:
            parameters = dict(adapter.network.named_parameters())
            for name, rows in self.frozen_rows.items():
                parameters[name].data[: self.num_old] = rows
        if self.penalty is not None and self.treatment == "proximal":
            sizes = {k: learning_rate * p.requires_grad for k, p in self.penalty.params.items()}
            proximal_step(self.penalty, self.weight, sizes)

    def after_task(self, context: TaskContext) -> dict:
        """Estimate the task's gradient memory and add it to those carried."""
        memories = list(context.carried.get("memories", []))
        memories.append(self._estimate(context).to_state())
        return {"memories": memories}

    def _penalised(self, context):
        # What a task's memory covers stays covered where a later step freezes it.
        memories = context.carried.get("memories", [])
        known = {name for memory in memories for name in memory["shapes"]}
        adapter = context.adapter
        return penalisable_parameters(
            adapter.network, adapter.excluded_prefixes, self.unknown, known
        )

    def _classifier(self, adapter) -> list[str]:
        bias = adapter.classifier()[1]
        kinds = ("weight",) if bias is None else ("weight", "bias")
        return [f"{adapter.classifier_name}.{kind}" for kind in kinds]

    def _estimate(self, context: TaskContext) -> GradientMemory:
        protocol, adapter = context.protocol, context.adapter
        labels = protocol.task_labels(context.step)
        if self.outputs == "seen":
            labels = range(protocol.num_classes(context.step))
        estimator = MeanGradientEstimator(
            adapter.network, self._penalised(context), outputs=labels, over=self.over
        )
        rows, bias = adapter.classifier()
        # Sum of the classifier's inputs over all pixels, and the number of pixels.
        total = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, device=rows.device)

        def logits(inputs: Tensor) -> Tensor:
            outputs = adapter.outputs(inputs)
            pixels = outputs.embedding.detach().transpose(0, 1).flatten(1).double()
            total[:-1] += pixels.sum(1)
            total[-1] += pixels.shape[1]
            return outputs.logits

        with estimator:
            for inputs, samples in context.batches(limit=self.images):
                estimator.update(logits, inputs, adapter.labels(samples))
        rows = rows.detach()[list(labels)]
        classifier = None
        if self.old_rows == "penalised":
            all_reduce(total)
            classifier = {
                "mean_feature": (total[:-1] / total[-1]).float(),
                "rows": rows.clone(),
                "bias": None if bias is None else bias.detach()[list(labels)],
                "names": self._classifier(adapter),
            }
        memory = estimator.compute(rank=self.rank, prototypes=rows, classifier=classifier)
        if self.directions == "random":
            memory = random_directions(memory, self._penalised(context), seed=context.seed)
        context.log(
            f"gradient memory of task {context.step}: {memory.numbers} numbers, "
            f"{memory.nbytes} bytes"
        )
        return memory
