"""VDFD for networks seen through an adapter: segmentors and classifiers alike."""

from contextlib import AbstractContextManager, nullcontext

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from vdfd_seg.distillation import (
    GradientMemory,
    MeanGradientEstimator,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.distillation.loss import ACCUMULATIONS
from vdfd_seg.distillation.precision import Precision
from vdfd_seg.errors import InputError
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.divergences import known_precision
from vdfd_seg.methods.common.frozen_rows import RowFreezingMethod
from vdfd_seg.methods.common.options import (
    at_least_one,
    none_or,
    not_negative,
    one_of,
    option,
    positive,
)
from vdfd_seg.protocols import Protocol
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class VDFD(RowFreezingMethod):
    r"""Variational data-free knowledge distillation.

    Adds :math:`\lambda \sum_{i<t} L_{dis}(w, \theta; D_i)` to the new task's loss
    (Li et al., TPAMI 2023; see :class:`~vdfd_seg.distillation.VariationalDistillationLoss`). When
    a task ends, the gradient of its mean logits is estimated over its images, compressed, and
    carried on; neither images nor the network are kept.

    Args:
        weight: :math:`\lambda`.
        rank: Rank of the compressed gradients.
        precision: ``"gcn"``, a dict of :class:`~vdfd_seg.distillation.precision.GCN`'s options, or
            ``"identity"`` (DFD).
        eps: :math:`\varepsilon` of the log-determinant.
        images: How many of a task's images the estimate uses, at equal distances; None for all, as
            in the paper. The default knows the gradient to about a tenth.
        old_rows: Whether the classifier's rows of old classes train on (``"free"``), stay as they
            are (``"frozen"``, class-incremental only) or are penalised with the rest
            (``"penalised"``).
        unknown: What to do with parameters of a kind that cannot be compressed:
            ``"error"`` or ``"skip"``.
        accumulation: ``"sum"`` over the old tasks, the paper's formula, or ``"last"``, the
            released class-incremental code's: only the most recent old task is penalised, and its
            quadratic term counts (number of old tasks) squared times.
    """

    # The background shift is not VDFD's matter: the paper has no class-incremental segmentation.
    unbiased_loss = True
    new_rows = "balanced"
    # The penalty's gradient comes from elsewhere, and the GCN would break the loss's graph.
    uncompiled = ("extra_losses",)
    weight: float = not_negative(1.0)
    rank: int = at_least_one(1)
    precision: Precision = option("gcn", known_precision)
    eps: float = positive(1e-3)
    images: int | None = none_or(at_least_one(256))
    old_rows: str = one_of("free", "frozen", "penalised").only_for(
        "segmentation",
        advice="With model.label_trick=True a classifier's old heads stay as they are.",
    )
    unknown: str = one_of("error", "skip")
    accumulation: str = one_of(*ACCUMULATIONS)

    def check(self, protocol: Protocol) -> None:
        """Refuse ``old_rows="frozen"`` where no row is old."""
        if self.old_rows == "frozen" and protocol.scenario != "class":
            raise InputError(
                "method VDFD: old_rows='frozen' is for class-incremental protocols: here every "
                "step trains the rows of all classes."
            )

    def before_task(self, context: TaskContext) -> None:
        """Build the penalty from the memories of the tasks before."""
        self.penalty: VariationalDistillationLoss | None = None
        if self.old_rows == "frozen":
            self.frozen = slice(context.num_old)
        states = context.carried.get("memories", [])
        if states and self.weight:
            params = self.penalised(context)
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
            ).to(context.device)
            if self.penalty.precision is not None:
                self.optimizer = self.penalty.precision.optimizer(self.penalty.parameters())

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted penalty; its two terms next to it, for the log."""
        if self.penalty is None:
            return {}
        quadratic, log_det = self.terms()
        return {
            "loss_vdfd": self.weight * (quadratic - log_det),
            "vdfd_quadratic": quadratic.detach(),
            "vdfd_log_det": log_det.detach(),
        }

    def terms(self) -> tuple[Tensor, Tensor]:
        """The penalty's quadratic term and log-determinant."""
        assert self.penalty is not None
        return self.penalty.terms()

    def around_backward(self) -> AbstractContextManager:
        """Add the penalty's gradient when the network's is complete."""
        return nullcontext() if self.penalty is None else self.penalty.deferred_gradient()

    def after_task(self, context: TaskContext) -> dict:
        """Estimate the task's gradient memory and add it to those carried."""
        memories = list(context.carried.get("memories", []))
        memories.append(self.estimate(context).to_state())
        return {"memories": memories}

    def penalised(self, context: TaskContext) -> dict[str, nn.Parameter]:
        """The parameters that a memory covers, by name."""
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

    def estimate(self, context: TaskContext) -> GradientMemory:
        """The memory of the task just learned: of the logits of the classes it introduced."""
        adapter, labels = context.adapter, context.protocol.task_labels(context.step)
        estimator = MeanGradientEstimator(adapter.network, self.penalised(context), labels)
        rows = adapter.prototypes()
        # Sum of the classifier's inputs over all pixels, and the number of pixels.
        total = torch.zeros(rows.shape[1] + 1, dtype=torch.float64, device=rows.device)

        def logits(inputs: Tensor) -> Tensor:
            outputs = adapter.outputs(inputs)
            if self.old_rows == "penalised":
                pixels = outputs.embedding.detach().transpose(0, 1).flatten(1).double()
                total[:-1] += pixels.sum(1)
                total[-1] += pixels.shape[1]
            return outputs.logits

        with estimator:
            for inputs, _ in context.batches(limit=self.images):
                estimator.update(logits, inputs)
        rows = rows.detach()[list(labels)]
        classifier = None
        if self.old_rows == "penalised":
            all_reduce(total)
            bias = adapter.classifier()[1]
            classifier = {
                "mean_feature": (total[:-1] / total[-1]).float(),
                "rows": rows.clone(),
                "bias": None if bias is None else bias.detach()[list(labels)],
                "names": self._classifier(adapter),
            }
        memory = estimator.compute(rank=self.rank, prototypes=rows, classifier=classifier)
        context.log(
            f"gradient memory of task {context.step}: {memory.numbers} numbers, "
            f"{memory.nbytes} bytes"
        )
        return memory
