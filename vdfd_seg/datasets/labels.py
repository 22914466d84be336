"""What a data set and its pipelines do to labels reaches the index and the metric alike."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from PIL import Image

from vdfd_seg.datasets.protocol_data import ProtocolData
from vdfd_seg.datasets.task_dataset import Sample, loading_part
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX

_PROBES = 8
_FILLS = ("ignore_index", "seg_pad_val", "seg_fill_in")


def check_pipeline(data: ProtocolData, part: str, pipeline: Sequence[dict]) -> None:
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
    for step in _steps(pipeline):
        filled = {key: step[key] for key in _FILLS if key in step}
        if isinstance(step.get("pad_val"), Mapping) and "seg" in step["pad_val"]:
            filled["pad_val.seg"] = step["pad_val"]["seg"]
        for key, value in filled.items():
            if value not in (IGNORE_INDEX, None):
                raise InputError(
                    f"{where}: {step.get('type')} has {key}={value}; pixels without a label are "
                    f"{IGNORE_INDEX}, other numbers are classes."
                )
    source = data.train if part == "train" else data.test
    last = len(data.protocol.tasks) - 1
    table = data.protocol.train_label_map(last, cumulative=True)
    if part == "test":
        table = data.protocol.test_label_map(last)
    images = _probes(source.index.counts)
    loading = [*loading_part(pipeline, where), {"type": "PackSegInputs"}]
    same = tuple(range(256))
    for image, (read, packed) in zip(
        images,
        zip(
            _labels(data, part, [Sample(i, same) for i in images], loading),
            _labels(data, part, [Sample(i, table) for i in images], pipeline),
            strict=True,
        ),
        strict=True,
    ):
        stored = source.index.counts[image]
        mask = source.dataset.get_data_info(image)["seg_map_path"]
        _compare(read, stored, True, f"{where}: of the mask '{mask}' it reads")
        known = np.array(table) >= 0
        wanted = np.bincount(np.array(table)[known], stored[known], minlength=256)
        _compare(packed, wanted, part == "test", f"{where}: behind LoadAnnotations, '{mask}' has")


def stored_labels(info: dict) -> np.ndarray:
    """The ids of an image's mask as the index counts them, ``(height, width)`` uint8."""
    with Image.open(info["seg_map_path"]) as mask:
        ids = np.asarray(mask).astype(np.uint8)
    if info.get("reduce_zero_label"):
        ids = np.array([IGNORE_INDEX, *range(IGNORE_INDEX - 1), IGNORE_INDEX], np.uint8)[ids]
    return ids


def _steps(pipeline: object) -> Iterator[Mapping]:
    """The transforms of a pipeline, and those inside of them."""
    if isinstance(pipeline, Mapping):
        if "type" in pipeline:
            yield pipeline
        pipeline = list(pipeline.values())
    if isinstance(pipeline, (list, tuple)):
        for part in pipeline:
            yield from _steps(part)


def _probes(counts: np.ndarray) -> list[int]:
    """A few images that hold as many of the ids as they can, the first of equals."""
    held, chosen = counts > 0, []
    while len(chosen) < _PROBES and held.any():
        chosen.append(int(held.sum(1).argmax()))
        held = held & ~held[chosen[-1]]
    return chosen


def _labels(data, part, samples, pipeline) -> Iterator[np.ndarray]:
    """Pixels per label of each sample; the process's random state stays as it is."""
    dataset = data.dataset(part, samples, pipeline)
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            found = [dataset[position, 0]["data_samples"] for position in range(len(samples))]
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
    for sample in found:
        yield np.bincount(sample.gt_sem_seg.data.numpy().ravel(), minlength=256)


def _compare(found: np.ndarray, wanted: np.ndarray, exact: bool, what: str) -> None:
    # Transforms may cut parts off, resize and pad: then only other labels than there were tell.
    exact = exact and found.sum() == wanted.sum()
    wrong = (found != wanted) if exact else (found > 0) & (wanted == 0)
    wrong[IGNORE_INDEX] &= exact
    if wrong.any():
        label = int(wrong.argmax())
        raise InputError(
            f"{what} {found[label]} pixels of {label}, where the class index has "
            f"{int(wanted[label])}; a pipeline must leave labels as they are stored."
        )
