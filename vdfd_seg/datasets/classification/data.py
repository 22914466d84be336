"""A classification protocol bound to its images."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from mmengine.device import get_device
from torch.utils.data import BatchSampler, DataLoader, Dataset

from vdfd_seg.datasets.classification.arrays import ImageArrays, images_sha256
from vdfd_seg.datasets.classification.batches import ImageBatches
from vdfd_seg.datasets.data import ContinualData, Sample
from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import Protocol


class ClassificationData(ContinualData):
    """The images and labels of a classification protocol; nothing is masked.

    The images lie in memory as uint8, on the GPU where there is one: CIFAR-100's training
    images take 154 MB.

    Attributes:
        labels: Of ``"train"`` and ``"test"`` images, in the order of the network's outputs; 255
            for a class that is not learned.

    Args:
        protocol, train, test, evaluate_on: See :class:`ContinualData`.
    """

    metric = "accuracy"
    counted = "training images"

    def __init__(
        self, protocol: Protocol, train: ImageArrays, test: ImageArrays, evaluate_on: str = "test"
    ):
        for read in (train, test):
            if tuple(read.classes) != protocol.classes:
                raise InputError(
                    f"'{read.root}' has the {len(read.classes)} classes {_some(read.classes)}, the "
                    f"protocol '{protocol.name}' of {protocol.dataset} has {len(protocol.classes)}"
                    f": {_some(protocol.classes)}; check data_root and protocol."
                )
        numbers = protocol.label_map(range(len(protocol.label_names)), "ignore")
        table = np.asarray(numbers[: len(protocol.classes)])
        self.labels = {"train": table[train.labels], "test": table[test.labels]}
        self.image_size = list(train.images.shape[1:3])
        self._tensors: dict[str, torch.Tensor] = {}
        super().__init__(protocol, train, test, evaluate_on)

    def step_images(self, step: int) -> np.ndarray:
        return self._images("train", step)

    def train_digest(self, step: int) -> str:
        """Of pixels and labels, in order."""
        positions = self.train_images(step)
        labels = np.ascontiguousarray(self.labels["train"][positions], dtype="<i8")
        images = images_sha256(self.train.images[positions])
        return hashlib.sha256(images.encode() + labels.tobytes()).hexdigest()

    def label_map(self, step: int, cumulative: bool = False) -> tuple[int, ...]:
        """None: images have labels."""
        return ()

    def test_samples(self, step: int) -> list[Sample]:
        """The images of every class seen so far, each counted for its class's task."""
        tasks = {}
        for seen in range(step + 1):
            tested = self.evaluate_on == "test"
            images = self._images("test", seen) if tested else self.validation_images(seen)
            tasks.update(dict.fromkeys(images.tolist(), seen))
        return [Sample(image, (), task) for image, task in sorted(tasks.items())]

    def step_test_samples(self, step: int) -> list[Sample]:
        """The images of the step's own classes: those of earlier ones do not stand in for them."""
        return [sample for sample in self.test_samples(step) if sample.task == step]

    def class_counts(self, step: int) -> dict[str, str]:
        """Training images of each class of the step, as text by name."""
        labels = self.labels["train"][self.train_images(step)]
        names = self.protocol.label_names
        return {names[i]: str((labels == i).sum()) for i in self.protocol.task_labels(step)}

    def sample_bytes(self, samples: Iterable[Sample]) -> int:
        """Bytes of these training images, uncompressed, and of a label each."""
        return len(list(samples)) * (int(np.prod(self.train.images.shape[1:])) + 8)

    def _images(self, part: str, step: int) -> np.ndarray:
        """The images of a step's classes."""
        return np.flatnonzero(np.isin(self.labels[part], self.protocol.task_labels(step)))

    def _served(self, part: str, samples: list[Sample], cfg: dict, seed: int = 0) -> ImageBatches:
        if part not in self._tensors:
            # Into memory: the arrays are maps of files.
            images = torch.from_numpy(np.array(self.source(part).images))
            self._tensors[part] = images.to(get_device())
        positions = [sample.image for sample in samples]
        tasks = [sample.task for sample in samples]
        labels = self.labels[part][positions]
        names = self.protocol.label_names
        return ImageBatches(self._tensors[part], positions, labels, tasks, seed, names)

    def _batches(self, dataset: Dataset, order: Sequence, cfg: dict) -> Iterator[dict]:
        for keys in BatchSampler(order, cfg["batch_size"], drop_last=False):
            yield dataset[keys]

    def _endless(self, dataset: Dataset, draws: DrawSampler, cfg: dict) -> DataLoader:
        batches = BatchSampler(draws, cfg["batch_size"], drop_last=False)
        return DataLoader(dataset, sampler=batches, batch_size=None)


def _some(names) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
