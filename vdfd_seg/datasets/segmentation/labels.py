"""What a data set and its pipelines do to labels reaches the index and the metric alike."""

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from vdfd_seg.datasets.data import Sample
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.task_dataset import loading_part
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.nested import parts_in

_PROBES = 8
_FILLS = ("ignore_index", "seg_pad_val", "seg_fill_in")


def check_pipeline(data: SegmentationData, part: str, pipeline: Sequence[dict]) -> None:
    """Read a few images, and compare the labels with what the index has counted.

    Args:
        data: The protocol and its images.
        part: ``"train"`` or ``"test"``.
        pipeline: The pipeline of ``train_dataloader`` or ``test_dataloader``.

    Raises:
        InputError: For a pipeline that reads other ids than are stored, changes labels later on,
            or fills in others than 255.
    """
    where = f"{part}_dataloader.dataset.pipeline"
    check_unlabelled(pipeline, where)
    data.dataset(part, [], pipeline)
    source = data.source(part)
    last = len(data.protocol.tasks) - 1
    table = data.protocol.train_label_map(last, cumulative=True)
    if part == "test":
        table = data.protocol.test_label_map(last)
    images = _probes(source.counts)
    masks = [source.dataset.get_data_info(image)["seg_map_path"] for image in images]
    loading = [*loading_part(pipeline, where), {"type": "PackSegInputs"}]
    read = _labels(data, part, [Sample(image, tuple(range(256))) for image in images], loading)
    for image, mask, found in zip(images, masks, read, strict=True):
        _compare(found, source.counts[image], True, f"{where}: of '{mask}' it reads")
    labels = np.where(np.array(table) < 0, IGNORE_INDEX, table)
    packed = _labels(data, part, [Sample(image, table) for image in images], pipeline)
    for image, mask, found in zip(images, masks, packed, strict=True):
        wanted = np.bincount(labels, source.counts[image], minlength=256)
        _compare(found, wanted, part == "test", f"{where}: of '{mask}' it hands on")


def check_unlabelled(cfg: object, where: str) -> None:
    """Refuse parts of a model or pipeline that take another number than 255 for "no label"."""
    for part in parts_in(cfg):
        filled = {key: part[key] for key in _FILLS if key in part}
        if isinstance(part.get("pad_val"), Mapping) and "seg" in part["pad_val"]:
            filled["pad_val.seg"] = part["pad_val"]["seg"]
        for key, value in filled.items():
            if value not in (IGNORE_INDEX, None):
                raise InputError(
                    f"{where}: {part['type']} has {key}={value}; pixels without a label are "
                    f"{IGNORE_INDEX}, other numbers are classes."
                )


def stored_labels(info: dict) -> np.ndarray:
    """The ids of an image's mask as the index counts them, ``(height, width)`` uint8."""
    with Image.open(info["seg_map_path"]) as mask:
        ids = np.asarray(mask).astype(np.uint8)
    if info.get("reduce_zero_label"):
        ids = np.array([IGNORE_INDEX, *range(IGNORE_INDEX - 1), IGNORE_INDEX], np.uint8)[ids]
    return ids


def _probes(counts: np.ndarray) -> list[int]:
    """A few images that hold as many of the ids as they can, the first of equals."""
    present = counts > 0
    chosen: list[int] = []
    while len(chosen) < _PROBES and present.any():
        chosen.append(int(present.sum(1).argmax()))
        present = present & ~present[chosen[-1]]
    return chosen


def _labels(data, part, samples, pipeline) -> list[np.ndarray]:
    """Pixels per label of each sample; the process's random state stays as it is."""
    dataset = data.dataset(part, samples, pipeline)
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            found = [dataset[position, 0]["data_samples"] for position in range(len(samples))]
        labels = [sample.gt_sem_seg.data.numpy().ravel() for sample in found]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{part}_dataloader.dataset.pipeline gives no data_samples with a gt_sem_seg; put "
            f"PackSegInputs last."
        ) from error
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
    return [np.bincount(ids, minlength=256) for ids in labels]


def _compare(found: np.ndarray, wanted: np.ndarray, exact: bool, what: str) -> None:
    # Transforms may cut parts off, resize and pad: then only other labels than there were tell.
    exact = exact and found.sum() == wanted.sum()
    wrong = (found != wanted) if exact else (found > 0) & (wanted == 0)
    wrong[IGNORE_INDEX] &= exact
    if wrong.any():
        label = int(wrong.argmax())
        raise InputError(
            f"{what} {found[label]} pixels of label {label}, the class index has "
            f"{int(wanted[label])}; a pipeline must leave labels as the data set has them."
        )
