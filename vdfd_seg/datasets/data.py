"""A protocol bound to its images: what each step reads, whatever the problem."""

import copy
import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from mmengine.dist import get_dist_info, get_world_size
from torch.utils.data import Dataset

from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.protocols import Protocol


@dataclass(frozen=True)
class Sample:
    """One image as a step sees it.

    Attributes:
        image: Position in the source.
        label_map: Lookup table of 256 labels, see ``Protocol.label_map``; empty where images, not
            pixels, have labels.
        task: The task it is counted for in evaluation.
        saliency: File of a map as large as the image; background where it is not 0 gets the label
            ``SALIENT_INDEX``. "" for none.
    """

    image: int
    label_map: tuple[int, ...] = ()
    task: int = 0
    saliency: str = ""


class ContinualData(ABC):
    """The images and labels of a protocol: the base of one class a problem.

    Attributes:
        metric: Name of the number that steps are compared by.
        counted: What :meth:`class_counts` counts.
        image_size: [height, width] of all images; None where they are of many sizes.
        fingerprint: Hash of all that makes two results comparable.

    Args:
        protocol: What is learned when.
        train, test: Where images come from; have a ``root``, a ``digest`` and ``names``.
        evaluate_on: ``"test"``, or ``"validation"``: the part of the training images that the
            protocol keeps for tuning.
        rules: What else makes two results comparable, for the fingerprint.
    """

    metric: ClassVar[str]
    counted: ClassVar[str]
    image_size: list[int] | None = None

    def __init__(
        self, protocol: Protocol, train: Any, test: Any, evaluate_on: str = "test", rules: str = ""
    ):
        if evaluate_on not in ("test", "validation"):
            raise unknown_name("evaluate_on", evaluate_on, ("test", "validation"))
        if evaluate_on == "validation" and not protocol.validation:
            raise InputError(
                "evaluate_on='validation' needs protocol.validation, the share of training images "
                "to hold out, to be above 0."
            )
        self.protocol = protocol
        self.train = train
        self.test = test
        self.evaluate_on = evaluate_on
        self._validation = in_validation(train.names, protocol.validation)
        self.fingerprint = protocol.fingerprint(
            f"{train.digest} {test.digest} {evaluate_on}{rules}"
        )
        for step, task in enumerate(protocol.tasks):
            for part, samples, source in (
                ("training", self.train_samples(step), train),
                (evaluate_on, self.step_test_samples(step), self.evaluation_source),
            ):
                if not samples:
                    raise InputError(
                        f"step {step} ({task.name}) of protocol '{protocol.name}' has no {part} "
                        f"images in '{source.root}'; check the data set (image lists, labels) and "
                        f"the protocol's tasks and shares."
                    )

    @property
    def evaluate_on_part(self) -> str:
        """The source of evaluation: ``"train"`` when it is the validation images."""
        return "train" if self.evaluate_on == "validation" else "test"

    @property
    def evaluation_source(self) -> Any:
        """Where the images come from that steps are evaluated on."""
        return self.source(self.evaluate_on_part)

    def source(self, part: str) -> Any:
        """Where the ``"train"`` or ``"test"`` images come from."""
        return self.train if part == "train" else self.test

    @abstractmethod
    def step_images(self, step: int) -> np.ndarray:
        """Ascending positions of the training images of ``step``, validation images included."""

    @abstractmethod
    def train_digest(self, step: int) -> str:
        """Digest of what ``step`` trains on; nothing of later tasks enters."""

    @abstractmethod
    def test_samples(self, step: int) -> list[Sample]:
        """What ``step`` is evaluated on: every task seen so far."""

    @abstractmethod
    def class_counts(self, step: int) -> dict[str, str]:
        """How much there is of each class that ``step`` trains on, as text by name."""

    @abstractmethod
    def sample_bytes(self, samples: Iterable[Sample]) -> int:
        """Bytes that it takes to keep these training images and their labels."""

    def label_map(self, step: int, cumulative: bool = False) -> tuple[int, ...]:
        """The label map of training samples, see :meth:`Protocol.train_label_map`."""
        return self.protocol.train_label_map(step, cumulative)

    def train_images(self, step: int) -> np.ndarray:
        """Positions of the images that ``step`` trains on, validation images left out."""
        images = self.step_images(step)
        return images[~self._validation[images]]

    def validation_images(self, step: int) -> np.ndarray:
        """Positions of the training images of ``step`` that are for tuning."""
        images = self.step_images(step)
        return images[self._validation[images]]

    def train_samples(self, step: int) -> list[Sample]:
        """What ``step`` trains on, validation images left out."""
        labels = self.label_map(step)
        return [Sample(int(image), labels, step) for image in self.train_images(step)]

    def cumulative_samples(self, step: int) -> list[Sample]:
        """The training images of every step up to ``step``, with the labels of all classes seen."""
        labels = self.label_map(step, cumulative=True)
        tasks = {int(image): s for s in range(step + 1) for image in self.train_images(s)}
        return [Sample(image, labels, task) for image, task in sorted(tasks.items())]

    def step_test_samples(self, step: int) -> list[Sample]:
        """Of the images that ``step`` is evaluated on those without which it cannot be."""
        return self.test_samples(step)

    def example_samples(self, count: int) -> list[Sample]:
        """A few test images that are shown after every step; none where there are no pictures."""
        return []

    def test_batch(self, step: int, size: int) -> list[Sample]:
        """A batch of test images that stands for the others, to try an evaluation with."""
        samples = self.arranged(self.test_samples(step), size)
        return subsample(samples, min(size, max(4, get_world_size())))

    def arranged(self, samples: list[Sample], size: int) -> list[Sample]:
        """Test samples in the order in which batches of ``size`` take them."""
        return samples

    def excerpt(self, count: int) -> "ContinualData":
        """The same protocol with at most so many training images a step."""
        few = copy.copy(self)
        few.train_images = lambda step: np.array(  # type: ignore[method-assign]
            subsample(self.train_images(step).tolist(), count)
        )
        return few

    def train_loader(
        self, samples: list[Sample], cfg: dict, seed: int, start: int, views: int | None = None
    ) -> Any:
        """An endless loader of shuffled batches, or its config.

        Args:
            samples, cfg: What to train on, and the config's ``train_dataloader``.
            seed: Of the step: shuffles and augmentation follow from it.
            start: Images already consumed, by all processes together.
            views: Augmented views of an image, see :class:`DrawSampler`.
        """
        dataset = self._served("train", samples, cfg, seed)
        return self._endless(dataset, DrawSampler(dataset, seed, start, views), cfg)

    def views(self, samples: list[Sample], cfg: dict, seed: int, count: int) -> Iterable[dict]:
        """Each of ``count`` augmented views of each image once; each process gets its share.

        The views are those that training draws (:class:`DrawSampler`): each image's first, then
        each image's second, so that a batch shows different images. The other arguments are those
        of :meth:`train_loader`.
        """
        rank, world = get_dist_info()
        dataset = self._served("train", samples, cfg, seed)
        places = range(len(samples))
        order = [(place, place * count + view) for view in range(count) for place in places]
        return self._batches(dataset, order[rank::world], cfg)

    def pass_over(self, part: str, samples: list[Sample], cfg: dict) -> Iterable[dict]:
        """One pass in order over ``"train"`` or ``"test"`` images; each process gets its share.

        Without augmentation: ``cfg`` is the config's ``test_dataloader``.
        """
        rank, world = get_dist_info()
        dataset = self._served(part, samples[rank::world], cfg)
        return self._batches(dataset, range(len(dataset)), cfg)

    def test_loader(self, samples: list[Sample], cfg: dict) -> Any:
        """:meth:`pass_over` the images that steps are evaluated on."""
        samples = self.arranged(samples, cfg["batch_size"])
        return self.pass_over(self.evaluate_on_part, samples, cfg)

    @abstractmethod
    def _served(self, part: str, samples: list[Sample], cfg: dict, seed: int = 0) -> Any:
        """The data set of these samples, as a config's loader has it."""

    @abstractmethod
    def _batches(self, dataset: Dataset, order: Sequence, cfg: dict) -> Iterable[dict]:
        """One pass over a data set in an order."""

    @abstractmethod
    def _endless(self, dataset: Dataset, draws: DrawSampler, cfg: dict) -> Any:
        """What a Runner trains from, or its config."""


def in_validation(names: Sequence[str], share: float) -> np.ndarray:
    """Images kept for validation, bool (images,): those whose name hashes below ``share``."""
    heads = [hashlib.sha256(name.encode()).digest()[:8] for name in names]
    return np.array([int.from_bytes(head, "big") / 2**64 < share for head in heads], dtype=bool)


def subsample(samples: list, limit: int | None) -> list:
    """At most ``limit`` of the samples, evenly over them."""
    if limit is None or limit >= len(samples):
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]


def places_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """The places of each distinct key, in the order of the keys' first places."""
    places = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return list(places.values())
