"""Evaluating a step on every task seen so far, and predicting the example images."""

from operator import methodcaller
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.datasets.segmentation.crops import whole_image
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.labels import stored_labels
from vdfd_seg.engine.classification import classification_confusions, classification_metrics
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import (
    ContinualIoU,
    class_incremental_row,
    domain_incremental_row,
    old_new_all,
    per_class,
    pool,
)
from vdfd_seg.evaluation.functional import mean_iou
from vdfd_seg.hooks import progress
from vdfd_seg.models import ContinualLearner
from vdfd_seg.protocols import IGNORE_INDEX, Protocol
from vdfd_seg.utils.files import atomic_write, atomic_write_image


def confusions_of_step(
    learner: ContinualLearner, data: ContinualData, step: int, cfg: dict, prediction_dir=None
) -> dict[int, np.ndarray]:
    """Confusion matrix of each task's test images after ``step``.

    Args:
        learner: A :class:`~vdfd_seg.models.ContinualLearner`.
        data: The protocol and its images.
        step: The step whose network ``learner`` holds.
        cfg: The config's ``test_dataloader``.
        prediction_dir: Where to write every prediction as an index mask (classification: as a
            line of ``predictions.csv``).

    Returns:
        ``{task: (C, C)}`` over the classes seen, on every process. Class-incremental
        evaluation, and classification, have the single task 0.
    """
    evaluate, _ = _OF_PROBLEM[data.protocol.problem]
    return evaluate(learner, data, step, cfg, prediction_dir)


def step_metrics(protocol: Protocol, step: int, confusions: dict[int, np.ndarray]) -> dict:
    """What a step's entry of ``results.json`` says about accuracy.

    Returns:
        ``row`` (of the result matrix), ``overall``, ``per_class`` and
        ``confusions``; for class-incremental segmentation also ``old``, ``new``
        and ``all``.
    """
    _, metrics = _OF_PROBLEM[protocol.problem]
    return metrics(protocol, step, confusions)


def write_examples(data: ContinualData, samples: list, folder: Path) -> None:
    """Copy the example images and their labels for the report.

    Args:
        data: The protocol and its images.
        samples: Of :meth:`SegmentationData.example_samples`.
        folder: Gets NAME.jpg and NAME.png (labels in the network's order).
    """
    folder.mkdir(exist_ok=True)
    source = data.evaluation_source
    for sample in samples:
        info = source.dataset.get_data_info(sample.image)
        name = example_name(data, sample)
        image = cv2.imread(info["img_path"])
        if image is None:
            raise InputError(f"cannot read the image '{info['img_path']}'; is it damaged?")
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        atomic_write(folder / f"{name}.jpg", methodcaller("write", packed))
        labels = np.asarray(sample.label_map)[stored_labels(info)]
        atomic_write_image(folder / f"{name}.png", Image.fromarray(labels.astype(np.uint8)))


def example_name(data: ContinualData, sample) -> str:
    """File stem of an example image."""
    return data.evaluation_source.index.names[sample.image].replace("/", "_")


@torch.no_grad()
def predict_examples(
    learner: ContinualLearner, data: SegmentationData, samples: list, cfg: dict, folder: Path
) -> None:
    """Write the predicted index mask of each example image.

    Args:
        learner: The learner of the step.
        data: The protocol and its images.
        samples: Of :meth:`SegmentationData.example_samples`.
        cfg: The config's ``test_dataloader``.
        folder: Gets NAME.png.
    """
    folder.mkdir(exist_ok=True)
    learner.eval()
    pipeline = whole_image(cfg["dataset"]["pipeline"])
    dataset = data.dataset(data.evaluate_on_part, samples, pipeline)
    for number, sample in enumerate(samples):
        packed = dataset[number]
        batch = {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}
        prediction = learner.val_step(batch)[0].pred_sem_seg.data.squeeze().cpu().numpy()
        name = example_name(data, sample)
        atomic_write_image(folder / f"{name}.png", Image.fromarray(prediction.astype(np.uint8)))


@torch.no_grad()
def _segmentation_confusions(learner, data, step, cfg, prediction_dir):
    protocol = data.protocol
    loader = data.test_loader(data.test_samples(step), cfg)
    metric = ContinualIoU(
        ignore_index=IGNORE_INDEX, average=protocol.average, output_dir=prediction_dir
    )
    metric.dataset_meta = {"classes": protocol.classes_seen(step)}
    learner.eval()
    with progress(len(loader), f"evaluating step {step}", "batch") as bar:
        for batch in loader:
            outputs = learner.val_step(batch)
            metric.process(batch, [output.to_dict() for output in outputs])
            bar.update()
    metric.evaluate(len(loader.dataset))
    return metric.confusions


def _segmentation_metrics(protocol, step, confusions):
    pooled = pool(confusions)
    metrics: dict = {
        "overall": mean_iou(pooled, average=protocol.average),
        "per_class": per_class(pooled, protocol.classes_seen(step)),
        "confusions": {str(task): matrix.tolist() for task, matrix in confusions.items()},
    }
    if protocol.scenario == "class":
        owners = protocol.task_of_class(step)
        metrics["row"] = class_incremental_row(pooled, owners, protocol.average)
        metrics.update(old_new_all(pooled, owners, protocol.average))
    else:
        metrics["row"] = domain_incremental_row(confusions, protocol.average)
    return metrics


_OF_PROBLEM = {
    "segmentation": (_segmentation_confusions, _segmentation_metrics),
    "classification": (classification_confusions, classification_metrics),
}
