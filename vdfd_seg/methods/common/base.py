"""The interface that every continual-learning method implements."""

from torch import Tensor, nn
from torch.optim import Optimizer

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.protocols.protocol import PROBLEMS, Protocol


class Method(nn.Module):
    """How a network learns a task without losing the earlier ones.

    A step calls, in order: :meth:`check`, :meth:`num_hidden`, :meth:`before_task`,
    :meth:`select` (which images, which labels), then for each iteration :meth:`loss`,
    :meth:`before_update` and :meth:`after_update`, then :meth:`after_task`.
    Between steps only what :meth:`after_task` returns is kept. The method's
    ``state_dict`` is what an interrupted step saves and restores. Before a run trains, all of
    it is called once for one batch, on an object and a network of their own.

    Attributes:
        optimizer: Trains the method's own parameters (VDFD's GCN), one step for each
            of the network's, with a learning rate that follows the network's schedule
            (halved when that is halved); set by :meth:`before_task`, None without such
            parameters. They are kept apart so that clipping of the network's gradients
            does not depend on them.
        stores_data: Keeps images of earlier tasks, or reads them again.
        needs_old_network: Holds the previous network while a step trains.
        trains_old_heads: Gives the classifier rows of earlier tasks a gradient where the
            task's own loss does not (task-incremental classification).
        anchors_weights: Holds a copy of the weights at the start of a step while it trains.
        needs_own_training: What it remembers of a task is collected while the task trains, so
            that it cannot begin from a step 0 that another method trained.
        labels_after_task: What it remembers of a task is estimated from the images' labels, not
            from the images alone.
        caches_outputs: Holds, while a step trains, what the network said about the step's images
            when it began.
        num_views: How many augmented views of an image the training draws from; None for a new
            one at every draw.
        without_background: What it is in a class-incremental protocol without a background, for
            methods that are defined by one; "" for others.
        problems: What it is for: ``"segmentation"``, ``"classification"``, or both.
    """

    stores_data = False
    needs_old_network = False
    trains_old_heads = False
    anchors_weights = False
    needs_own_training = False
    labels_after_task = False
    caches_outputs = False
    num_views: int | None = None
    without_background = ""
    problems: tuple[str, ...] = PROBLEMS
    optimizer: Optimizer | None = None

    def select(self, data, step: int, carried: dict) -> list:
        """Samples that ``step`` trains on; default the step's own.

        Args:
            data: A :class:`vdfd_seg.datasets.SegmentationData`.
            step: The step.
            carried: The state carried from the step before.
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
        modules of the network (RCIL's second branches): an interrupted step is saved and restored
        with them, and :meth:`after_task` puts the config's own modules back.
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
        outputs = adapter.outputs(inputs)
        samples = self.targets(adapter, outputs, samples)
        losses = self.task_loss(adapter, outputs, samples)
        losses.update(self.extra_losses(adapter, outputs, samples))
        return losses

    def before_update(self, adapter) -> None:
        """After backward, with final gradients, before the optimiser's step."""

    def after_update(self, adapter, learning_rate: float) -> None:
        """After the optimiser's step (SI's path integral)."""

    def after_task(self, context: TaskContext) -> dict:
        """State to carry to the next step: tensors, numbers, strings, lists and dicts.

        The step's checkpoint is written afterwards, so that the network must have the keys and
        shapes of the config's model: any method and any tool can read it.
        """
        return {}

    def stored_data_bytes(self, data, step: int) -> int:
        """Bytes of earlier images kept beside the carried state; 0 unless it stores data."""
        return 0

    def restore(self, state: dict) -> None:
        """Take what :meth:`after_task` returned, for evaluation of a finished step."""

    def predict(self, adapter, inputs: Tensor, samples: list | None):
        """Predictions in evaluation; default the network's own.

        Returns:
            Segmentation: a list of data samples with ``pred_sem_seg``. Classification:
            ``(N, C)`` scores, the greatest wins.
        """
        return adapter.network(inputs, samples, mode="predict")
