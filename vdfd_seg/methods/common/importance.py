"""What the methods share that penalise each parameter by its importance."""

import math
from collections.abc import Container, Iterator

import torch
from mmengine.dist import all_reduce, get_dist_info
from torch import Tensor

from vdfd_seg.losses.half_precision import wide
from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import at_least_one, none_or, not_negative, one_of, share
from vdfd_seg.utils.seeding import derived_seed


class ImportancePenalty(Method):
    r"""Adds :math:`\frac{\lambda}{2} \sum_k \Omega_k (w_k - w^*_k)^2` to the task's loss.

    :math:`w^*` are the weights at the start of the step, which are those at the end of the step
    before: nothing but the importances is carried. They are merged over tasks, so that what is
    carried does not grow. The classifier is not penalised.

    Args:
        weight: :math:`\lambda`.
    """

    requires = frozenset({"old_weights"})
    weight: float = not_negative(1.0)
    importance: dict[str, Tensor] = {}

    def before_task(self, context: TaskContext) -> None:
        """Anchor the weights that the step starts with."""
        carried = context.carried.get("importance", {})
        params = penalised(context.adapter, carried)
        self.importance = {k: v.to(params[k]).view_as(params[k]) for k, v in carried.items()}
        # Copies in the state: a resumed step must hold on to the same weights.
        for name in self.importance:
            self.register_buffer(f"anchor_{buffer_name(name)}", params[name].detach().clone())

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted penalty."""
        if not self.importance or not self.weight:
            return {}
        params = penalised(adapter)
        # What this step freezes has not moved.
        terms = [
            (importance * (params[name] - self.anchor_of(name)).square()).sum()
            for name, importance in self.importance.items()
            if name in params
        ]
        if not terms:
            return {}
        total = sum(terms[1:], start=terms[0])
        return {f"loss_{type(self).__name__.lower()}": 0.5 * self.weight * total}

    def anchor_of(self, name: str) -> Tensor:
        """The value of a parameter at the start of the step."""
        return getattr(self, f"anchor_{buffer_name(name)}")

    def after_task(self, context: TaskContext) -> dict:
        """Merge the task's importances into those carried."""
        merged = self.merge(self.importance, self.estimate(context))
        return {"importance": {name: value.flatten().float() for name, value in merged.items()}}

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """Importances of the task just learned, by parameter."""
        raise NotImplementedError

    def merge(self, old: dict[str, Tensor], new: dict[str, Tensor]) -> dict[str, Tensor]:
        """Importances of all tasks so far; default their sum."""
        return {**old, **{k: v + old[k] if k in old else v for k, v in new.items()}}


class RunningImportance(ImportancePenalty):
    r"""Importances estimated after a task and merged by
    :math:`\Omega \leftarrow \alpha \Omega_{old} + (1 - \alpha) \Omega`, from 0 before the first.

    Two estimators give numbers of different size, so that each has a default weight:

    - ``"facil"``, as in FACIL (Masana et al., TPAMI 2022): of the gradient of a batch's mean, over
      the logits of all heads, in training mode. For classification.
    - ``"image"``, as in the definition: of each image's own gradient, over the logits of the
      classes that the step trains, in evaluation mode. One backward pass an image.

    Args:
        weight: :math:`\lambda`; None for the estimator's entry in ``weights``.
        alpha: Share of the old importances.
        estimator: None for ``"facil"`` in classification and ``"image"`` in segmentation.
        batch_size: Images whose mean ``"facil"`` differentiates; it drops the last incomplete
            batch. FACIL's default is 64. Importances of EWC are about inverse to it.
        images: How many of a task's images the estimate uses, for ``"facil"`` rounded up to whole
            batches; None for all.

    Attributes:
        weights: The default weight of each estimator.
    """

    weights: dict[str, float] = {}
    weight: float = none_or(not_negative(None))
    alpha: float = share(0.5)
    images: int | None = none_or(at_least_one(None))
    estimator: str | None = one_of(None, "facil", "image").only_for(
        "classification", "image", advice="Take 'image'."
    )
    batch_size: int = at_least_one(64)

    def before_task(self, context: TaskContext) -> None:
        """Anchor the weights, and take the defaults of the problem and of the estimator."""
        super().before_task(context)
        classifies = context.protocol.problem == "classification"
        self.estimator = self.estimator or ("facil" if classifies else "image")
        if self.weight is None:
            self.weight = self.weights[self.estimator]

    def merge(self, old: dict[str, Tensor], new: dict[str, Tensor]) -> dict[str, Tensor]:
        """The running importances."""
        running = {k: self.alpha * old.get(k, 0) + (1 - self.alpha) * v for k, v in new.items()}
        return {**old, **running}

    def averaged(self, context: TaskContext, function, reduce) -> dict[str, Tensor]:
        """Mean over images or batches of a function of the gradient, of all processes.

        Args:
            context: The step.
            function: Maps logits ``(N, C, ...)`` to the scalar that is differentiated, a mean.
            reduce: Maps a gradient to what is averaged, by parameter in float32.
        """
        adapter, protocol = context.adapter, context.protocol
        classes = range(protocol.num_classes(context.step))
        if self.estimator == "facil":
            inputs = _batches(context, self.images, self.batch_size)
        else:
            passed = context.batches(limit=self.images)
            inputs = (image for batch, _ in passed for image in batch.split(1))
            if getattr(adapter, "within_task", False):
                classes = protocol.task_labels(context.step)
        columns = torch.tensor(list(classes), device=context.device)

        def value(batch):
            return function(wide(adapter.logits(batch).index_select(1, columns)))

        network, training = adapter.network, adapter.network.training
        # Training mode moves batch norm's running statistics. Estimating must not change the
        # network: a step 0 is shared by methods.
        buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
        torch.manual_seed(derived_seed(context.seed, "importance"))
        network.train(self.estimator == "facil")
        # What an earlier step trained matters to this task's outputs, too, if this step froze it.
        parameters = penalised(adapter, context.carried.get("importance", {}))
        frozen = [parameter for parameter in parameters.values() if not parameter.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(True)
        found = _mean_of_gradients(parameters, inputs, value, reduce)
        for parameter in frozen:
            parameter.requires_grad_(False)
        network.train(training)
        for buffer, before in buffers:
            buffer.copy_(before)
        return found


def penalised(adapter, known: Container[str] = ()) -> dict[str, Tensor]:
    """The parameters that feed the main logits, the classifier left out, by name.

    ``known`` are names of frozen parameters to take all the same.
    """
    return {
        name: parameter
        for name, parameter in adapter.network.named_parameters()
        if (parameter.requires_grad or name in known)
        and not name.startswith(tuple(adapter.excluded_prefixes))
    }


def _mean_of_gradients(params, inputs, value, reduce) -> dict[str, Tensor]:
    """{name: mean over the inputs of all processes of reduce(gradient of value(input))}."""
    sums = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in params.items()}
    count = torch.zeros((), dtype=torch.float64)
    for each in inputs:
        gradients = torch.autograd.grad(value(each), list(params.values()), allow_unused=True)
        for name, gradient in zip(params, gradients, strict=True):
            if gradient is not None:
                sums[name] += reduce(gradient)
        count += 1
    all_reduce(count)
    for total in sums.values():
        all_reduce(total)
    count = count.clamp_min(1)
    return {name: (total / count.to(total.device)).float() for name, total in sums.items()}


def _batches(context, images, size) -> Iterator[Tensor]:
    """This process's share of shuffled whole batches."""
    samples = context.samples
    draw = torch.Generator().manual_seed(derived_seed(context.seed, "importance"))
    order = torch.randperm(len(samples), generator=draw).tolist()
    count = len(order) // size
    if images is not None:
        count = min(math.ceil(images / size), count)
    rank, world = get_dist_info()
    for number in range(rank, max(count, 1), world):
        chosen = [samples[i] for i in order[number * size : (number + 1) * size]]
        # A pass gives a process every world-th sample: so all of these.
        share = [sample for sample in chosen for _ in range(world)]
        yield torch.cat([inputs for inputs, _ in context.batches(samples=share)])


def buffer_name(name: str) -> str:
    """A parameter's name as part of a buffer's, which must not have dots."""
    return name.replace(".", "/")
