"""Evaluating a step on every task seen so far."""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.runner import Runner

from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.engine.input.data import Data
from vdfd_seg.evaluation import (
    ContinualIoU,
    accuracy,
    accuracy_row,
    class_incremental_row,
    domain_incremental_row,
    old_new_all,
    per_class,
    pool,
    recall_per_class,
)
from vdfd_seg.evaluation.functional import mean_iou
from vdfd_seg.hooks import progress
from vdfd_seg.models import ContinualLearner
from vdfd_seg.protocols import IGNORE_INDEX, Protocol
from vdfd_seg.utils.files import atomic_write_text, writable_dir


def test_loader(data: SegmentationData, samples: list, cfg: dict):
    """A loader over test samples, each process its share."""
    dataset = data.dataset(data.evaluate_on_part, samples, cfg["dataset"]["pipeline"])
    # Workers end with the pass: there is nothing to persist for.
    skipped = ("dataset", "sampler", "persistent_workers")
    loader = {k: v for k, v in cfg.items() if k not in skipped}
    loader["dataset"] = dataset
    loader["sampler"] = {"type": "DefaultSampler", "shuffle": False}
    return Runner.build_dataloader(loader, seed=0)


@torch.no_grad()
def confusions_of_step(
    learner: ContinualLearner,
    data: Data,
    step: int,
    cfg: dict,
    prediction_dir: str | Path | None = None,
) -> dict[int, np.ndarray]:
    """Confusion matrix of each task's test images after ``step``.

    A classifier that knows an image's task (``scenario="task"``) predicts the best class of that
    task, else the best of all classes seen.

    Args:
        learner: A :class:`~vdfd_seg.models.ContinualLearner`.
        data: The protocol and its images.
        step: The step whose network ``learner`` holds.
        cfg: The config's ``test_dataloader``.
        prediction_dir: Where to write every prediction as an index mask (classification: as a
            line of ``predictions.csv``).

    Returns:
        ``{task: (C, C)}`` over the classes seen, on every process; rows are true classes.
        Class-incremental evaluation, and classification, have the single task 0.
    """
    learner.eval()
    if isinstance(data, ClassificationData):
        return _classified(learner, data, step, cfg, prediction_dir)
    protocol = data.protocol
    loader = test_loader(data, data.test_samples(step), cfg)
    metric = ContinualIoU(
        ignore_index=IGNORE_INDEX, average=protocol.average, output_dir=prediction_dir
    )
    metric.dataset_meta = {"classes": protocol.classes_seen(step)}
    with progress(len(loader), f"evaluating step {step}", "batch") as bar:
        for batch in loader:
            outputs = learner.val_step(batch)
            metric.process(batch, [output.to_dict() for output in outputs])
            bar.update()
    metric.evaluate(len(loader.dataset))
    return metric.confusions


def _classified(learner, data, step, cfg, prediction_dir):
    part, samples = data.evaluate_on_part, data.test_samples(step)
    count = data.protocol.num_classes(step)
    total = torch.zeros(count * count, dtype=torch.int64)
    predicted = torch.full((len(samples),), -1, dtype=torch.int64)
    rank, world = get_dist_info()
    place = rank
    for batch in data.pass_over(part, samples, cfg):
        scores, found = learner.val_step(batch), batch["data_samples"]
        classes = learner.adapter.competing(scores, found.to(scores.device)).argmax(1).cpu()
        total += torch.bincount(found.labels * count + classes, minlength=count * count)
        predicted[place : place + len(classes) * world : world] = classes
        place += len(classes) * world
    all_reduce(total)
    all_reduce(predicted, "max")
    if prediction_dir is not None and rank == 0:
        names, text = data.protocol.label_names, io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["image", "task", "label", "predicted"])
        for sample, best in zip(samples, predicted.tolist(), strict=True):
            label = names[data.labels[part][sample.image]]
            lines.writerow([sample.image, sample.task, label, names[best]])
        folder = writable_dir(prediction_dir, "prediction_dir")
        atomic_write_text(folder / "predictions.csv", text.getvalue())
    return {0: total.view(count, count).numpy()}


def step_metrics(protocol: Protocol, step: int, confusions: dict[int, np.ndarray]) -> dict:
    """What a step's entry of ``results.json`` says about accuracy.

    Returns:
        ``row`` (of the result matrix), ``overall``, ``per_class`` and
        ``confusions``; for class-incremental segmentation also ``old``, ``new``
        and ``all``.
    """
    pooled, names, count = pool(confusions), protocol.classes_seen(step), len(protocol.tasks)
    metrics: dict = {
        "confusions": {str(task): matrix.tolist() for task, matrix in confusions.items()}
    }
    if protocol.problem == "classification":
        metrics["overall"] = accuracy(pooled)
        metrics["per_class"] = recall_per_class(pooled, names)
        metrics["row"] = accuracy_row(pooled, protocol.task_of_class(step), count)
        return metrics
    metrics["overall"] = mean_iou(pooled, average=protocol.average)
    metrics["per_class"] = per_class(pooled, names)
    if protocol.scenario == "class":
        owners = protocol.task_of_class(step)
        metrics["row"] = class_incremental_row(pooled, owners, protocol.average, count)
        metrics.update(old_new_all(pooled, owners, protocol.average))
    else:
        metrics["row"] = domain_incremental_row(confusions, protocol.average, count)
    return metrics
