"""A classification protocol bound to its images."""

import copy
import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.dist import get_dist_info
from torch.utils.data import BatchSampler, DataLoader

from vdfd_seg.datasets.classification.arrays import ImageArrays, images_sha256
from vdfd_seg.datasets.classification.batches import ImageBatches
from vdfd_seg.datasets.sampler import DrawSampler, ViewSampler
from vdfd_seg.datasets.segmentation.selection import check_evaluate_on, held_out
from vdfd_seg.datasets.segmentation.task_dataset import Sample
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import Protocol


class ClassificationData:
    """The images and labels of a classification protocol.

    The images lie in memory as uint8, on the GPU where there is one: CIFAR-100's training
    images take 154 MB.

    Args:
        protocol: What is learned when.
        train: Training images.
        test: Test images.
        evaluate_on: ``"test"``, or ``"validation"`` to evaluate on the part of the training
            images that the protocol holds out for tuning.

    Raises:
        InputError: When the images have other classes than the protocol, or a step has no
            training or no test images.
    """

    def __init__(
        self, protocol: Protocol, train: ImageArrays, test: ImageArrays, evaluate_on: str = "test"
    ):
        check_evaluate_on(evaluate_on, protocol)
        for read in (train, test):
            if tuple(read.classes) != protocol.classes:
                raise InputError(
                    f"'{read.root}' has the {len(read.classes)} classes {_some(read.classes)}, the "
                    f"protocol '{protocol.name}' of {protocol.dataset} has {len(protocol.classes)}"
                    f": {_some(protocol.classes)}; check data_root and protocol."
                )
        self.protocol = protocol
        self.arrays = {"train": train, "test": test}
        self.evaluate_on = evaluate_on
        self.fingerprint = protocol.fingerprint(f"{train.digest} {test.digest} {evaluate_on}")
        numbers = protocol.label_map(range(len(protocol.label_names)), "ignore")
        table = np.asarray(numbers[: len(protocol.classes)])
        self.labels = {part: table[arrays.labels] for part, arrays in self.arrays.items()}
        self._owners = np.asarray(protocol.task_of_class(len(protocol.tasks) - 1))
        self._held = np.zeros(len(train.labels), dtype=bool)
        if protocol.validation:
            self._held = held_out(list(map(str, range(len(train.labels)))), protocol.validation)
        self._tensors: dict[str, torch.Tensor] = {}
        for step, task in enumerate(protocol.tasks):
            # Of the step's own classes: the images of earlier ones do not stand in for them.
            tested = [sample for sample in self.test_samples(step) if sample.task == step]
            for part, samples, source in (
                ("training", self.train_samples(step), train),
                (evaluate_on, tested, self.arrays[self.evaluate_on_part]),
            ):
                if not samples:
                    raise InputError(
                        f"step {step} ({task.name}) of protocol '{protocol.name}' has no {part} "
                        f"images in '{source.root}'; check the data set and protocol.validation."
                    )

    @property
    def image_size(self) -> list[int]:
        """[height, width] of the images."""
        return list(self.arrays["train"].images.shape[1:3])

    @property
    def evaluate_on_part(self) -> str:
        """The arrays of evaluation: ``"train"`` when it is the validation images."""
        return "train" if self.evaluate_on == "validation" else "test"

    def train_digest(self, step: int) -> str:
        """Digest of what ``step`` trains on: pixels and labels, in order."""
        positions = [sample.image for sample in self.train_samples(step)]
        labels = np.ascontiguousarray(self.labels["train"][positions], dtype="<i8")
        images = images_sha256(self.arrays["train"].images[positions])
        return hashlib.sha256(images.encode() + labels.tobytes()).hexdigest()

    def train_samples(self, step: int) -> list[Sample]:
        """The images of the step's classes, validation images left out."""
        return self._samples("train", range(step, step + 1), ~self._held)

    def cumulative_samples(self, step: int) -> list[Sample]:
        """The training images of every step up to ``step``."""
        return self._samples("train", range(step + 1), ~self._held)

    def excerpt(self, count: int) -> "ClassificationData":
        """The same protocol with so many training images a step."""
        few = copy.copy(self)

        def train_samples(step: int) -> list[Sample]:
            samples = self.train_samples(step)
            return samples[:: max(1, len(samples) // count)][:count]

        def cumulative_samples(step: int) -> list[Sample]:
            return [sample for earlier in range(step + 1) for sample in train_samples(earlier)]

        few.train_samples = train_samples  # type: ignore[method-assign]
        few.cumulative_samples = cumulative_samples  # type: ignore[method-assign]
        return few

    def test_samples(self, step: int) -> list[Sample]:
        """What ``step`` is evaluated on: the images of every class seen so far."""
        if self.evaluate_on == "validation":
            return self._samples("train", range(step + 1), self._held)
        return self._samples("test", range(step + 1))

    def validation_images(self, step: int) -> np.ndarray:
        """Positions of the training images of ``step`` that are held out for tuning."""
        samples = self._samples("train", range(step, step + 1), self._held)
        return np.asarray([sample.image for sample in samples], dtype=np.int64)

    def class_counts(self, step: int) -> dict[str, str]:
        """Training images of each class of the step, as text by name."""
        labels = self.labels["train"][[sample.image for sample in self.train_samples(step)]]
        names = self.protocol.label_names
        return {names[i]: str((labels == i).sum()) for i in self.protocol.task_labels(step)}

    def _samples(self, part, steps, allowed=None):
        protocol = self.protocol
        first = protocol.num_old(steps[0])
        labels = self.labels[part]
        chosen = (labels >= first) & (labels < protocol.num_classes(steps[-1]))
        if allowed is not None:
            chosen &= allowed
        positions = np.flatnonzero(chosen)
        tasks = self._owners[labels[positions]]
        return [Sample(int(i), (), int(t)) for i, t in zip(positions, tasks, strict=True)]

    def sample_bytes(self, samples: list[Sample]) -> int:
        """Bytes of these training images, uncompressed, and of a label each."""
        return len(samples) * (int(np.prod(self.arrays["train"].images.shape[1:])) + 8)

    def _batches(self, part: str, samples: list[Sample], seed: int = 0) -> ImageBatches:
        if part not in self._tensors:
            # Into memory: the arrays are maps of files.
            images = torch.from_numpy(np.array(self.arrays[part].images))
            self._tensors[part] = images.to(get_device())
        positions = [sample.image for sample in samples]
        tasks = [sample.task for sample in samples]
        labels = self.labels[part][positions]
        names = self.protocol.label_names
        return ImageBatches(self._tensors[part], positions, labels, tasks, seed, names)

    def train_loader(
        self, samples: list[Sample], cfg: dict, seed: int, start: int, views: int | None = None
    ) -> DataLoader:
        """An endless loader of shuffled batches.

        Args:
            samples: What to train on.
            cfg: The config's ``train_dataloader``.
            seed: Seed of the step: shuffles and augmentation follow from it.
            start: Images already consumed, by all processes together.
            views: Augmented views of an image, see :class:`DrawSampler`.
        """
        dataset = self._batches("train", samples, seed)
        draws = DrawSampler(dataset, seed, start, views)
        batches = BatchSampler(draws, cfg["batch_size"], drop_last=False)
        return DataLoader(dataset, sampler=batches, batch_size=None, collate_fn=_as_it_is)

    def views(self, samples: list[Sample], cfg: dict, seed: int, count: int) -> Iterator[dict]:
        """Each of ``count`` augmented views of each image once; each process gets its share.

        Args:
            samples: What is trained on.
            cfg: The config's ``train_dataloader``.
            seed: Seed of the step, as for :meth:`train_loader`.
            count: Views of an image.
        """
        dataset = self._batches("train", samples, seed)
        for keys in BatchSampler(ViewSampler(dataset, count), cfg["batch_size"], drop_last=False):
            yield dataset[keys]

    def pass_over(self, part: str, samples: list[Sample], cfg: dict) -> Iterator[dict]:
        """One pass in order, without augmentation; each process gets its share.

        Args:
            part: ``"train"`` or ``"test"``.
            samples: What to read.
            cfg: The config's ``test_dataloader``.
        """
        rank, world = get_dist_info()
        batch_size = cfg["batch_size"]
        dataset = self._batches(part, samples[rank::world])
        for start in range(0, len(dataset), batch_size):
            yield dataset[list(range(start, min(start + batch_size, len(dataset))))]


def _as_it_is(batch):
    return batch


def _some(names) -> str:
    names = list(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
