"""A protocol bound to its images: what each step reads, and how much there is of it."""

import copy
import os
from collections.abc import Iterable

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import DataLoader, Sampler

from vdfd_seg.datasets.sampler import DrawSampler, ViewSampler
from vdfd_seg.datasets.segmentation.index import index_digest
from vdfd_seg.datasets.segmentation.selection import (
    check_evaluate_on,
    split_validation,
    test_images,
    train_images,
)
from vdfd_seg.datasets.segmentation.source import Source
from vdfd_seg.datasets.segmentation.task_dataset import Sample, TaskDataset
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX, Protocol


class SegmentationData:
    """The images and labels of a protocol.

    Args:
        protocol: What is learned when.
        train: Where training images come from.
        test: Where test images come from.
        evaluate_on: ``"test"``, or ``"validation"`` to evaluate on the part of
            the training images that the protocol holds out for tuning.
        crop: Height and width of the part of the images that is evaluated, if not all of them:
            part of the fingerprint.

    Raises:
        InputError: When a step has no training or no test images.
    """

    def __init__(
        self,
        protocol: Protocol,
        train: Source,
        test: Source,
        evaluate_on: str = "test",
        crop: tuple[int, int] | None = None,
    ):
        check_evaluate_on(evaluate_on, protocol)
        self.protocol = protocol
        self.train = train
        self.test = test
        self.evaluate_on = evaluate_on
        self.fingerprint = protocol.fingerprint(
            f"{train.index.digest} {test.index.digest} {evaluate_on}"
            # Whole images as before there was a crop: results that exist keep their fingerprint.
            + (f" crop {crop[0]}x{crop[1]}" if crop else "")
        )
        for step in range(len(protocol.tasks)):
            name = protocol.tasks[step].name
            for part, source, samples in (
                ("training", train, self.train_samples(step)),
                (evaluate_on, self.evaluation_source, self.test_samples(step)),
            ):
                if not samples:
                    raise InputError(
                        f"step {step} ({name}) of protocol '{protocol.name}' has no {part} images "
                        f"in '{source.dataset.data_root}'; check the image lists, the masks and "
                        f"the protocol's tasks and shares."
                    )

    @property
    def image_size(self) -> None:
        """None: images of segmentation are of many sizes."""
        return None

    @property
    def evaluate_on_part(self) -> str:
        """The source of evaluation: ``"train"`` when it is the validation images."""
        return "train" if self.evaluate_on == "validation" else "test"

    @property
    def evaluation_source(self) -> Source:
        """Where the images come from that steps are evaluated on."""
        return self.train if self.evaluate_on == "validation" else self.test

    def train_images(self, step: int) -> np.ndarray:
        """Positions of the images that ``step`` trains on, validation images left out."""
        images = train_images(self.protocol, self.train.index, step)
        return split_validation(self.protocol, self.train.index, images)[0]

    def train_digest(self, step: int) -> str:
        """Digest of what ``step`` trains on: images by name, pixels by label.

        Images of later tasks and the ids that the masks give to other classes do not enter.
        """
        images, index = self.train_images(step), self.train.index
        table = np.asarray(self.protocol.train_label_map(step))
        labels = sorted({0, *self.protocol.task_labels(step), IGNORE_INDEX})
        counts = [index.counts[images][:, table == label].sum(1) for label in labels]
        return index_digest([index.names[i] for i in images], np.stack(counts, 1))

    def train_samples(self, step: int) -> list[Sample]:
        """What ``step`` trains on: its images, old and future classes masked."""
        table = self.protocol.train_label_map(step)
        return [Sample(int(image), table, step) for image in self.train_images(step)]

    def cumulative_samples(self, step: int) -> list[Sample]:
        """The images of every step up to ``step`` with the labels of all classes seen."""
        images = np.unique(np.concatenate([self.train_images(s) for s in range(step + 1)]))
        table = self.protocol.train_label_map(step, cumulative=True)
        return [Sample(int(image), table, step) for image in images]

    def test_samples(self, step: int) -> list[Sample]:
        """What ``step`` is evaluated on: every task seen so far."""
        table = self.protocol.test_label_map(step)
        if self.evaluate_on == "test":
            groups = test_images(self.protocol, self.test.index, step)
        else:
            groups = [(s, self.validation_images(s)) for s in range(step + 1)]
            if self.protocol.scenario == "class":
                groups = [(0, np.unique(np.concatenate([images for _, images in groups])))]
        return [Sample(int(i), table, task) for task, images in groups for i in images]

    def validation_images(self, step: int) -> np.ndarray:
        """Positions of the training images of ``step`` that are held out for tuning."""
        images = train_images(self.protocol, self.train.index, step)
        return split_validation(self.protocol, self.train.index, images)[1]

    def excerpt(self, count: int) -> "SegmentationData":
        """The same protocol with so many training images a step."""
        few = copy.copy(self)
        images = self.train_images
        few.train_images = lambda step: _some(images(step), count)  # type: ignore[method-assign]
        return few

    def class_counts(self, step: int) -> dict[str, str]:
        """Training images and pixels of each new foreground class, as text by name.

        Domain-incremental: of every class.
        """
        protocol, counts = self.protocol, self.train.index.counts[self.train_images(step)]
        labels = [protocol.label_names[i] for i in protocol.task_labels(step)]
        names = [name for name in labels if name != protocol.background]
        return {
            name: f"{int((counts[:, i] > 0).sum())}, {int(counts[:, i].sum())}"
            for name, i in zip(names, protocol.mask_ids(names), strict=True)
        }

    def example_samples(self, count: int) -> list[Sample]:
        """The same few test images for every step, spread over tasks and richest in classes.

        Args:
            count: How many.
        """
        last = len(self.protocol.tasks) - 1
        samples = self.test_samples(last)
        ids = self.protocol.foreground_ids(range(last + 1))
        held = self.evaluation_source.index.counts[[s.image for s in samples]][:, list(ids)] > 0
        chosen: list[int] = []
        uses = np.ones(len(ids))
        while len(chosen) < min(count, len(samples)):
            gain = (held / uses).sum(1)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            uses += held[best]
        return [samples[i] for i in sorted(chosen)]

    def sample_bytes(self, samples: Iterable[Sample]) -> int:
        """Bytes of the files of these training images and their masks, each counted once."""
        infos = (self.train.dataset.get_data_info(i) for i in {s.image for s in samples})
        return sum(
            os.path.getsize(i["img_path"]) + os.path.getsize(i["seg_map_path"]) for i in infos
        )

    def train_loader(
        self, samples: list[Sample], cfg: dict, seed: int, start: int, views: int | None = None
    ) -> dict:
        """Config of an endless loader of shuffled batches.

        Args:
            samples: What to train on.
            cfg: The config's ``train_dataloader``.
            seed: Seed of the step: shuffles and augmentation follow from it.
            start: Images already consumed, by all processes together.
            views: Augmented views of an image, see :class:`DrawSampler`.
        """
        dataset = self.dataset("train", samples, cfg["dataset"]["pipeline"], seed)
        return {
            **cfg,
            "dataset": dataset,
            "sampler": DrawSampler(dataset, seed, start, views),
            "persistent_workers": cfg.get("num_workers", 0) > 0,
            "worker_init_fn": {"type": "vdfd_seg.deaf_worker"},
        }

    def views(self, samples: list[Sample], cfg: dict, seed: int, count: int) -> DataLoader:
        """Each of ``count`` augmented views of each image once; each process gets its share.

        Args:
            samples: What is trained on.
            cfg: The config's ``train_dataloader``.
            seed: Seed of the step, as for :meth:`train_loader`.
            count: Views of an image.
        """
        dataset = self.dataset("train", samples, cfg["dataset"]["pipeline"], seed)
        return one_pass(dataset, cfg, ViewSampler(dataset, count))

    def pass_over(self, part: str, samples: list[Sample], cfg: dict) -> DataLoader:
        """One pass in order with the test pipeline; each process gets its share.

        Args:
            part: ``"train"`` or ``"test"``.
            samples: What to read.
            cfg: The config's ``test_dataloader``.
        """
        rank, world = get_dist_info()
        return one_pass(self.dataset(part, samples[rank::world], cfg["dataset"]["pipeline"]), cfg)

    def dataset(self, part: str, samples, pipeline, seed: int = 0) -> TaskDataset:
        """A :class:`TaskDataset` over ``"train"`` or ``"test"`` images."""
        source = self.train if part == "train" else self.test
        metainfo = {
            "classes": self.protocol.label_names,
            "palette": self.protocol.palette_of_labels(),
        }
        return TaskDataset(source.dataset, samples, pipeline, metainfo, seed)


def one_pass(dataset: TaskDataset, cfg: dict, sampler: Sampler | None = None) -> DataLoader:
    """A data set in order, in batches.

    Args:
        dataset: What to read.
        cfg: The config's loader.
        sampler: Another order.
    """
    return DataLoader(
        dataset,
        sampler=sampler,
        batch_size=cfg["batch_size"],
        num_workers=cfg.get("num_workers", 0),
        collate_fn=_collate,
    )


def _some(images: np.ndarray, count: int) -> np.ndarray:
    return images[np.linspace(0, len(images), min(count, len(images)), False, dtype=int)]


def _collate(items):
    return {key: [item[key] for item in items] for key in items[0]}
