"""The interface that every continual-learning method implements."""

from contextlib import AbstractContextManager, nullcontext

from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import Dataset

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import (
    Option,
    WithOptions,
    not_negative,
    one_of,
    option,
    share,
)
from vdfd_seg.models.growth import INITIALISATIONS
from vdfd_seg.protocols import Protocol
from vdfd_seg.protocols.checks import PROBLEMS

REQUIREMENTS = {
    "old_images": "keeps images of earlier tasks, or reads them again",
    "old_network": "holds the previous network while a step trains",
    "old_weights": "holds a copy of the weights at the start of a step while it trains",
    "old_outputs": "holds, while a step trains, the outputs for the step's images at its start",
    "features": "holds, while a step trains, what the classifier takes of the step's images",
    "old_heads": "gives the rows of earlier tasks a gradient where the task's own loss does not "
    "(task-incremental classification)",
    "labels": "remembers a task by its images' labels, not by the images alone",
    "own_training": "remembers a task while it trains, so that no step 0 of another method will do",
}
"""What a method may keep or need next to the network that trains."""

COMMON: dict[str, Option] = {
    "unbiased_loss": option(False),
    "new_rows": one_of(*INITIALISATIONS).only_for("segmentation"),
    "fuse": share(False),
    "gaussians": not_negative(0.0).only_for("classification"),
}
"""Options of every method, whatever its constructor takes. ``gaussians`` above 0 adds a
:class:`~vdfd_seg.methods.common.gaussian_classifier.GaussianClassifier`."""


class Method(WithOptions):
    """How a network learns a task without losing the earlier ones.

    A step calls, in order: :meth:`check`, :meth:`num_hidden`, :meth:`before_task`,
    :meth:`select` (which images, which labels), then for each iteration :meth:`loss`,
    :meth:`around_backward`, :meth:`before_update` and :meth:`after_update`, then
    :meth:`after_task`. Between steps only what :meth:`after_task` returns is kept. The method's
    ``state_dict`` is what an interrupted step saves and restores. Before a run trains, all of
    it is called once for one batch, on an object and a network of their own.

    Options are declared as attributes, see :class:`~vdfd_seg.methods.common.options.WithOptions`;
    :data:`COMMON` are those of every method.

    Attributes:
        optimizer: Trains the method's own parameters (VDFD's GCN), one step for each
            of the network's, with a learning rate that follows the network's schedule; set by
            :meth:`before_task`, None without such parameters. They are apart so that clipping of
            the network's gradients does not depend on them.
        requires: What it keeps or needs next to the network that trains, of :data:`REQUIREMENTS`;
            an instance may have others than its class, by its options.
        unbiased_loss: Whether the main head's cross-entropy is MiB's unbiased one wherever the
            background hides old classes (:class:`~vdfd_seg.losses.UnbiasedCrossEntropyLoss`).
        new_rows: How the classifier's rows of new classes start there, see
            :func:`vdfd_seg.models.grow`, and with ``"pretuned"``
            :func:`~vdfd_seg.methods.common.pretuning.pretune`.
        fuse: Whether the weights at the end of a step are fused with those before it, with the
            share of :func:`vdfd_seg.models.fusion.ewf_share`, or a share of one's own from 0 to 1.
        num_views: How many augmented views of an image the training draws from after the first
            step; None for a new one at every draw, as in the first.
        training_features: What training draws from in place of images, with ``num_views``; set
            by :meth:`before_task`, None for images. The adapter is then a
            :class:`~vdfd_seg.models.adapters.features.FeatureAdapter`.
        closed_form: Whether only :meth:`after_task` learns the later steps: these have no
            iterations, whatever the config has.
        uncompiled: Functions of its own, or of an attribute, as ``"cache.lookup"``, that a
            compiled loss calls as they are.
        without_background: What it is in a class-incremental protocol without a background, for
            methods that are defined by one; "" for others.
        problems: What it is for: ``"segmentation"``, ``"classification"``, or both.
    """

    requires: frozenset[str] = frozenset()
    unbiased_loss: bool = COMMON["unbiased_loss"].default
    new_rows: str = COMMON["new_rows"].default
    fuse: bool | float = COMMON["fuse"].default
    num_views: int | None = None
    training_features: Dataset | None = None
    closed_form = False
    uncompiled: tuple[str, ...] = ()
    without_background = ""
    problems: tuple[str, ...] = PROBLEMS
    optimizer: Optimizer | None = None

    def select(self, data, step: int, carried: dict) -> list:
        """Samples of a :class:`vdfd_seg.datasets.data.ContinualData` that ``step`` trains on.

        Default the step's own. ``carried`` is the state from the step before.
        """
        return data.train_samples(step)

    def check(self, protocol: Protocol) -> None:
        """Refuse a protocol that the method cannot follow, before anything trains.

        Raises:
            InputError: Naming the option and what to do.
        """

    def num_hidden(self, context: TaskContext) -> int:
        """How many old classes the training labels hide in the background."""
        return context.num_hidden

    def before_task(self, context: TaskContext) -> None:
        """Prepare for a task: build teachers and penalties, change the network.

        The optimiser is built from the network's parameters afterwards. A method may replace
        modules of the network (RCIL's second branches), if :meth:`after_task` puts the config's
        own back; an interrupted step is saved and restored with them.
        """

    def targets(self, adapter, outputs, samples: list) -> list:
        """Data samples to train on; default unchanged (PLOP: pseudo-labels)."""
        return samples

    def task_loss(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The loss of the new task; default that of the network's heads."""
        return adapter.task_loss(outputs, samples)

    def extra_losses(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """Further terms. Names with ``loss`` in them are summed, others only logged."""
        return {}

    def loss(self, adapter, inputs: Tensor, samples: list) -> dict[str, Tensor]:
        """All terms of one iteration, from one forward pass."""
        if self.training_features is not None:
            # A frozen trunk keeps its statistics.
            adapter.network.eval()
        outputs = adapter.outputs(inputs)
        samples = self.targets(adapter, outputs, samples)
        losses = self.task_loss(adapter, outputs, samples)
        losses.update(self.extra_losses(adapter, outputs, samples))
        return losses

    def fetch(self, samples) -> None:
        """Bring to the GPU, where there is one, what is cached of the next iteration's samples."""

    def around_backward(self) -> AbstractContextManager:
        """Entered before an iteration's backward pass, left after it (VDFD adds its gradient)."""
        return nullcontext()

    def before_update(self, adapter) -> None:
        """After backward, with final gradients, before the optimiser's step."""

    def after_update(self, adapter, learning_rate: float) -> None:
        """After the optimiser's step (SI's path integral)."""

    def after_task(self, context: TaskContext) -> dict:
        """State to carry to the next step: tensors, numbers, strings, lists and dicts.

        The network must have the keys and shapes of the config's model again.
        """
        return {}

    def stored_data_bytes(self, data, step: int) -> int:
        """Bytes of earlier images kept next to the carried state; 0 unless it keeps any."""
        return 0

    def restore(self, state: dict) -> None:
        """Take what :meth:`after_task` returned, for evaluation of a finished step."""

    def predict(self, adapter, inputs: Tensor, samples: list | None):
        """Predictions in evaluation; default the network's own.

        Segmentation: a list of data samples with ``pred_sem_seg``. Classification: ``(N, C)``
        scores, the greatest wins.
        """
        return adapter.network(inputs, samples, mode="predict")
