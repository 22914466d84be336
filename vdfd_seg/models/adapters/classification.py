"""What a continual-learning method sees of an image classifier."""

from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.losses.half_precision import wide
from vdfd_seg.models.adapters.outputs import Outputs
from vdfd_seg.models.classifier import ContinualClassifier, rotated
from vdfd_seg.models.growth import check_names, check_shape


def _forward(network: ContinualClassifier, inputs: Tensor, rotations: bool) -> Outputs:
    """One forward pass; with ``rotations``, of all four rotations of the images."""
    rows = network.rows_per_class
    features = network.features(rotated(inputs) if rotations else inputs)
    logits = network.logits(features)
    each = rows if rotations else 1
    return Outputs(inputs, features[::each], logits[::each, ::rows], logits)


class ClassificationAdapter:
    """Features, logits, labels, classifier and loss of a :class:`ContinualClassifier`.

    The same interface as :class:`~vdfd_seg.models.SegmentationAdapter`.

    Args:
        network: The classifier.
        scenario: ``"task"`` or ``"class"``: whether an image's task is known.
    """

    problem = "classification"
    rows: tuple[str, ...] = ()
    classifier_name = "heads"
    excluded_prefixes = ("heads",)

    def __init__(self, network: ContinualClassifier, scenario: str):
        self.network = network
        self.scenario = scenario
        self.within_task = scenario == "task"
        sizes = torch.tensor(network.head_sizes)
        self.task_of_class = torch.repeat_interleave(torch.arange(len(sizes)), sizes)

    def begin(self, num_hidden: int, sees_old: bool = False, old_heads: bool = False) -> None:
        """Prepare for training a step; labels of images hide nothing.

        Args:
            num_hidden: Not used.
            sees_old: Whether images of earlier tasks are trained on: then all classes seen compete
                in the class-incremental scenario.
            old_heads: Whether the method gives the heads of earlier tasks a gradient.
        """
        self.within_task = self.scenario == "task" or (self.network.label_trick and not sees_old)
        for head in self.network.heads[:-1]:
            head.requires_grad_(sees_old or old_heads or not self.within_task)

    def load(self, state: dict[str, Tensor], num_old: int, init: str = "random") -> None:
        """Load the weights of a step of ``num_old`` classes; later heads keep their weights.

        Raises:
            InputError: For weights of another network, naming the parameter.
        """
        starts = [0, *accumulate(self.network.head_sizes)]
        new = {f"heads.{task}.weight" for task, start in enumerate(starts) if start >= num_old}
        own = {k: v for k, v in self.network.state_dict().items() if k not in new}
        check_names(state, own)
        for name, value in own.items():
            check_shape(name, state[name], value)
        self.network.load_state_dict(state, strict=False)

    def outputs(self, inputs: Tensor) -> Outputs:
        """One forward pass in the network's current mode."""
        rotations = self.network.rows_per_class > 1 and self.network.training
        return _forward(self.network, inputs, rotations)

    def logits(self, inputs: Tensor) -> Tensor:
        """``(N, C)`` logits of the classes."""
        return self.outputs(inputs).logits

    def old_outputs(self, network: ContinualClassifier, outputs: Outputs) -> Outputs:
        """Outputs of the network of the step before for the same images, without gradients.

        Its ``all_logits`` correspond to the first columns of those of the current network.
        """
        with torch.no_grad():
            rotations = len(outputs.all_logits) > len(outputs.inputs)
            return _forward(network, outputs.inputs, rotations)

    def at_labels(self, logits: Tensor, samples: LabelledImages) -> Tensor:
        """The same: an image has one label."""
        return logits

    def task_loss(self, outputs: Outputs, samples) -> dict[str, Tensor]:
        """Cross-entropy among the classes that compete; each rotation counts as a class."""
        labels, tasks, rows = samples.labels, samples.tasks, self.network.rows_per_class
        logits = wide(outputs.all_logits)
        if len(logits) > len(labels):
            rotation = torch.arange(rows, device=labels.device)
            labels = (rows * labels[:, None] + rotation).flatten()
            tasks = tasks.repeat_interleave(rows)
        else:
            labels = rows * labels
        if self.within_task:
            logits = self._masked(logits, tasks)
        return {"loss_ce": F.cross_entropy(logits, labels)}

    def _masked(self, scores: Tensor, tasks: Tensor) -> Tensor:
        """Scores with minus infinity where a row is not of the image's task."""
        # Kept there: a copy for every batch would make a GPU wait.
        self.task_of_class = self.task_of_class.to(scores.device)
        rows = scores.shape[1] // len(self.task_of_class)
        owners = self.task_of_class.repeat_interleave(rows)
        return scores.masked_fill(owners != tasks[:, None], float("-inf"))

    def competing(self, scores: Tensor, samples: LabelledImages) -> Tensor:
        """Scores ``(N, C)`` for evaluation: minus infinity at other tasks' classes, if known."""
        return self._masked(scores, samples.tasks) if self.scenario == "task" else scores

    def labels(self, samples: LabelledImages) -> Tensor:
        """``(N,)`` labels of the batch."""
        return samples.labels

    def prototypes(self) -> Tensor:
        """Rows ``(C, d)`` that stand for the classes: the classifier's."""
        return self.classifier()[0]

    def classifier(self) -> tuple[Tensor, None]:
        """Rows ``(C, d)`` of all heads for unrotated images; there are no biases."""
        weights = torch.cat([head.weight for head in self.network.heads])
        return weights[:: self.network.rows_per_class], None
