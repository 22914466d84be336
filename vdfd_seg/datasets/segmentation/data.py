"""A protocol of segmentation bound to its images."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dataset import worker_init_fn
from mmengine.dist import get_rank
from mmengine.runner import Runner
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from vdfd_seg.datasets.data import ContinualData, Sample, places_by
from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.datasets.segmentation.index import index_digest
from vdfd_seg.datasets.segmentation.selection import test_images, train_images
from vdfd_seg.datasets.segmentation.source import Source
from vdfd_seg.datasets.segmentation.task_dataset import TaskDataset
from vdfd_seg.protocols import IGNORE_INDEX, Protocol


class SegmentationData(ContinualData):
    """The images and masks of a protocol; old and future classes are masked in training.

    Args:
        protocol, train, test, evaluate_on: See :class:`ContinualData`.
        crop: Height and width of the part of the images that is evaluated, if not all of them:
            part of the fingerprint.
    """

    metric = "mIoU"
    counted = "training images / pixels"

    def __init__(
        self,
        protocol: Protocol,
        train: Source,
        test: Source,
        evaluate_on: str = "test",
        crop: tuple[int, int] | None = None,
    ):
        # Whole images as before there was a crop: results that exist keep their fingerprint.
        rules = f" crop {crop[0]}x{crop[1]}" if crop else ""
        super().__init__(protocol, train, test, evaluate_on, rules)
        # Every step evaluates images of those before it.
        self._sizes: dict[int, tuple[int, int]] = {}

    def step_images(self, step: int) -> np.ndarray:
        return train_images(self.protocol, self.train, step)

    def train_digest(self, step: int) -> str:
        """Of images by name and pixels by label; the masks' ids of other classes do not enter."""
        images, table = self.train_images(step), np.asarray(self.label_map(step))
        labels = sorted({0, *self.protocol.task_labels(step), IGNORE_INDEX})
        pixels = self.train.counts[images]
        counts = [pixels[:, table == label].sum(1) for label in labels]
        return index_digest([self.train.names[i] for i in images], np.stack(counts, 1))

    def test_samples(self, step: int) -> list[Sample]:
        """What ``step`` is evaluated on; class-incremental: all images count for task 0."""
        table = self.protocol.test_label_map(step)
        if self.evaluate_on == "test":
            groups = test_images(self.protocol, self.test, step)
        else:
            groups = [(s, self.validation_images(s)) for s in range(step + 1)]
            if self.protocol.scenario == "class":
                groups = [(0, np.unique(np.concatenate([images for _, images in groups])))]
        return [Sample(int(i), table, task) for task, images in groups for i in images]

    def class_counts(self, step: int) -> dict[str, str]:
        """Training images and pixels of each new foreground class, as text by name.

        Domain-incremental: of every class.
        """
        protocol, counts = self.protocol, self.train.counts[self.train_images(step)]
        labels = [protocol.label_names[i] for i in protocol.task_labels(step)]
        names = [name for name in labels if name != protocol.background]
        return {
            name: f"{(counts[:, i] > 0).sum():,} / {counts[:, i].sum():,}"
            for name, i in zip(names, protocol.mask_ids(names), strict=True)
        }

    def sample_bytes(self, samples: Iterable[Sample]) -> int:
        """Bytes of the files of these training images and their masks, each counted once."""
        infos = (self.train.dataset.get_data_info(i) for i in {s.image for s in samples})
        return sum(
            os.path.getsize(i["img_path"]) + os.path.getsize(i["seg_map_path"]) for i in infos
        )

    def example_samples(self, count: int) -> list[Sample]:
        """The same few test images for every step, from all tasks and richest in classes."""
        last = len(self.protocol.tasks) - 1
        samples = self.test_samples(last)
        ids = self.protocol.foreground_ids(range(last + 1))
        present = self.evaluation_source.counts[[s.image for s in samples]][:, list(ids)] > 0
        chosen: list[int] = []
        uses = np.ones(len(ids))
        while len(chosen) < min(count, len(samples)):
            gain = (present / uses).sum(1)
            gain[chosen] = -1
            best = int(gain.argmax())
            chosen.append(best)
            uses += present[best]
        return [samples[i] for i in sorted(chosen)]

    def arranged(self, samples: list[Sample], size: int) -> list[Sample]:
        """In batches, images of one size follow each other, the smallest first."""
        return sorted(samples, key=self._size) if size > 1 else samples

    def _size(self, sample: Sample) -> tuple[int, int]:
        """Width and height of a test image's file."""
        if sample.image not in self._sizes:
            info = self.evaluation_source.dataset.get_data_info(sample.image)
            with Image.open(info["img_path"]) as image:
                self._sizes[sample.image] = image.size
        return self._sizes[sample.image]

    def dataset(self, part: str, samples, pipeline, seed: int = 0) -> TaskDataset:
        """A :class:`TaskDataset` over ``"train"`` or ``"test"`` images."""
        metainfo = {
            "classes": self.protocol.label_names,
            "palette": self.protocol.palette_of_labels(),
        }
        return TaskDataset(self.source(part).dataset, samples, pipeline, metainfo, seed)

    def _served(self, part: str, samples: list[Sample], cfg: dict, seed: int = 0) -> TaskDataset:
        return self.dataset(part, samples, cfg["dataset"]["pipeline"], seed)

    def _batches(self, dataset: Dataset, order: Sequence, cfg: dict) -> DataLoader:
        return one_pass(dataset, cfg, order)

    def _endless(self, dataset: Dataset, draws: DrawSampler, cfg: dict) -> dict:
        return {
            **cfg,
            "dataset": dataset,
            "sampler": draws,
            "persistent_workers": cfg.get("num_workers", 0) > 0,
            "worker_init_fn": _worker_start(cfg),
        }


def of_one_size(batch: dict) -> Iterator[tuple[list[int], dict]]:
    """Parts of a batch whose images can be stacked, each with its places in the batch."""
    # Views of test-time augmentation are lists, and a tensor's images are of one size.
    groups = places_by(getattr(image, "shape", None) for image in batch["inputs"])
    if len(groups) == 1:
        yield groups[0], batch
        return
    for chosen in groups:
        yield chosen, {key: [values[place] for place in chosen] for key, values in batch.items()}


def one_pass(dataset: Any, cfg: dict, order: Any = None) -> DataLoader:
    """A data set by a config's loader, once, whole, in its own or another ``order``."""
    # Workers end with the pass: there is nothing to persist for.
    skipped = ("dataset", "sampler", "batch_sampler", "drop_last", "persistent_workers")
    loader = {key: value for key, value in cfg.items() if key not in skipped}
    loader["dataset"], loader["sampler"] = dataset, range(len(dataset)) if order is None else order
    loader["worker_init_fn"] = _worker_start(cfg)
    return Runner.build_dataloader(loader, seed=0)


def _worker_start(cfg: dict) -> dict:
    """What each worker of a config's loader calls first: ours, then the config's or MMEngine's."""
    seeds = {"num_workers": cfg.get("num_workers", 0), "rank": get_rank(), "seed": 0}
    default = {"type": worker_init_fn, **seeds}
    return {"type": "vdfd_seg.ignore_signals", "then": cfg.get("worker_init_fn", default)}
