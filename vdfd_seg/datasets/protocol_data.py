"""A protocol bound to its images: what each step reads, and how much there is of it."""

import gc
import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.dist import get_dist_info
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader, Sampler

from vdfd_seg.datasets.index import ClassIndex, build_index, is_plain
from vdfd_seg.datasets.sampler import DrawSampler, ViewSampler
from vdfd_seg.datasets.selection import (
    check_evaluate_on,
    split_validation,
    test_images,
    train_images,
)
from vdfd_seg.datasets.task_dataset import Sample, TaskDataset
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.protocols import IGNORE_INDEX, Protocol
from vdfd_seg.registry import FUNCTIONS


@dataclass(frozen=True)
class Source:
    """A dataset of MMSegmentation and the index of the classes in its masks."""

    dataset: BaseDataset
    index: ClassIndex


class ProtocolData:
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


def open_source(
    cfg: dict, protocol: Protocol, progress: bool = True, strict: bool = True
) -> Source:
    """Build a dataset from its config and index it.

    Args:
        cfg: An mmsegmentation dataset config.
        protocol: Names the classes that masks may hold.
        progress: Show a progress bar while indexing.
        strict: Refuse masks with ids that the protocol's data set does not have; otherwise they
            are counted.

    Raises:
        InputError: For an unknown dataset type, a missing data root, folder or
            image list, a list that names a missing file, and all that
            :func:`build_index` refuses.
    """
    cfg = {k: v for k, v in cfg.items() if k != "pipeline"}
    kind = cfg.get("type")
    if kind is None or (isinstance(kind, str) and DATASETS.get(kind) is None):
        raise unknown_name("dataset type", kind, DATASETS.module_dict)
    root = cfg.get("data_root")
    if root is not None and not os.path.isdir(root):
        raise InputError(
            f"data_root '{root}' does not exist; set it with --cfg-options data_root=FOLDER or in "
            f"the config."
        )
    listed = os.path.join(root or "", cfg.get("ann_file") or "")
    if os.path.isfile(listed) and not os.path.getsize(listed):
        raise InputError(f"dataset {kind}: the image list '{listed}' lists no images.")
    for key, value in [("ann_file", cfg.get("ann_file")), *cfg.get("data_prefix", {}).items()]:
        path = os.path.join(root or "", value or "")
        if value and not os.path.exists(path):
            raise InputError(f"{key} '{path}' does not exist; check data_root and {key}.")
    dataset = None
    try:
        dataset = DATASETS.build({**cfg, "pipeline": [], "lazy_init": True})
        # MMEngine collects garbage when its list is packed. Looking through all that was there
        # before is a third of a start from the cache.
        gc.freeze()
        try:
            dataset.full_init()
        finally:
            gc.unfreeze()
    except InputError:
        raise
    except Exception as error:
        unreadable = isinstance(error, UnicodeError | OSError)
        if getattr(dataset, "data_list", None) == [] and not unreadable:
            raise InputError(f"dataset {kind} in '{root}' lists no images.") from error
        raise InputError(f"dataset {kind} in '{root}': {type(error).__name__}: {error}") from error
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    if not items:
        raise InputError(f"dataset {kind} in '{root}' lists no images.")
    check_inside(items, cfg)
    names = protocol.classes
    for item, name in zip(items, _names(items, cfg), strict=True):
        item["name"] = name
    count = len(names) if strict else IGNORE_INDEX
    return Source(
        dataset, build_index(items, num_classes=count, class_names=names, progress=progress)
    )


def check_inside(items: Iterable[dict], cfg: dict) -> None:
    """Refuse a list of images with a path out of the data set (``../``, or from the root).

    Links below the data root are the user's own and are followed.

    Args:
        items: mmsegmentation's data infos.
        cfg: The dataset's config, whose ``data_root`` and ``data_prefix`` are trusted.

    Raises:
        InputError: Naming the path.
    """
    root = cfg.get("data_root") or ""
    prefixes = [value for value in cfg.get("data_prefix", {}).values() if value]
    folders = [os.path.join(root, value) for value in prefixes]
    if root or not folders:
        folders.append(root)
    allowed = tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)
    for item in items:
        for path in (item["img_path"], item.get("seg_map_path")):
            if path is None:
                continue
            if not os.path.abspath(path).startswith(allowed):
                raise InputError(
                    f"the image list '{cfg.get('ann_file')}' names '{path}', which is outside the "
                    f"data root '{root}'; images and masks must be below it."
                )


def prepare_data(cfg: dict | None) -> None:
    """Run a config's ``data_preparation``: a registered function that writes the data set."""
    if not cfg:
        return
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    function = FUNCTIONS.get(str(kind))
    if function is None:
        raise unknown_name("data preparation", kind, FUNCTIONS.module_dict)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise InputError(f"data_preparation {kind}: {error}") from error
    function(**arguments)


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


def _collate(items):
    return {key: [item[key] for item in items] for key in items[0]}


def _names(items: Iterable[dict], cfg: dict) -> list[str]:
    folder = os.path.join(
        cfg.get("data_root") or "", cfg.get("data_prefix", {}).get("img_path", "")
    )
    return [_name(item["img_path"], folder, os.path.join(folder, "")) for item in items]


def _name(path: str, folder: str, prefix: str) -> str:
    """A path relative to the folder, without suffix."""
    relative = path[len(prefix) :]
    if path.startswith(prefix) and is_plain(f"/{relative}"):
        return os.path.splitext(relative)[0]
    # The same for any path, at ten times the cost: most of a start from the cache.
    return Path(os.path.relpath(path, folder)).with_suffix("").as_posix()
