"""Evaluating a step on every task seen so far."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.model import BaseModel
from PIL import Image

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.datasets.segmentation.data import of_one_size
from vdfd_seg.evaluation import confusion_matrix, pool
from vdfd_seg.evaluation.functional import (
    accuracy,
    accuracy_per_class,
    iou_per_class,
    mean_accuracy,
    mean_iou,
    old_new_all,
    per_class,
    row_by_classes,
    row_by_domains,
)
from vdfd_seg.hooks import progress
from vdfd_seg.protocols import Protocol
from vdfd_seg.utils.files import atomic_write_image, atomic_write_text, csv_text, writable_dir


def confusions_of_step(
    learner: BaseModel,
    data: ContinualData,
    step: int,
    cfg: dict,
    prediction_dir: str | Path | None = None,
    pictures: Callable[[dict, list], object] | None = None,
) -> dict[int, np.ndarray]:
    """Confusion matrix of each task's test images after ``step``.

    A classifier that knows an image's task (``scenario="task"``) predicts the best class of that
    task. Otherwise it predicts the best of all classes seen.

    Args:
        learner: A :class:`~vdfd_seg.models.ContinualLearner`, or for segmentation any model with
            ``test_step``.
        data: The protocol and its images.
        step: The step whose network ``learner`` holds.
        cfg: The config's ``test_dataloader``.
        prediction_dir: Where to write every prediction as an index mask (classification: as a
            line of ``predictions.csv``).
        pictures: Called with each batch and its predictions (segmentation only).

    Returns:
        ``{task: (C, C)}`` over the classes seen, on every process; rows are true classes.
        Class-incremental evaluation, and classification, have the single task 0.
    """
    learner.eval()
    evaluate = _segmented if data.protocol.problem == "segmentation" else _classified
    return evaluate(learner, data, step, cfg, prediction_dir, pictures)


def _segmented(learner, data, step, cfg, prediction_dir, pictures):
    samples, count = data.test_samples(step), data.protocol.num_classes(step)
    tasks = sorted({sample.task for sample in samples})
    counts = np.zeros((len(tasks), count, count), dtype=np.int64)
    folder = None if prediction_dir is None else writable_dir(prediction_dir, "prediction_dir")
    loader = data.test_loader(samples, cfg)
    with progress(len(loader), f"evaluating step {step}", "batch") as bar:
        for batch in loader:
            outputs = _tested(learner, batch)
            if pictures is not None:
                pictures(batch, outputs)
            for output in outputs:
                parts = (output.pred_sem_seg, output.gt_sem_seg)
                predicted, labels = (part.data.squeeze(0).cpu().numpy() for part in parts)
                counts[tasks.index(output.task)] += confusion_matrix(predicted, labels, count)
                if folder is not None:
                    file = folder / f"{Path(output.img_path).stem}.png"
                    atomic_write_image(file, Image.fromarray(predicted.astype(np.uint8)))
            bar.update()
    total = torch.from_numpy(counts)
    all_reduce(total)
    return dict(zip(tasks, total.numpy(), strict=True))


def _tested(learner, batch: dict) -> list:
    """The outputs of a batch in its order; images of one size go through the network together."""
    parts = list(of_one_size(batch))
    if len(parts) == 1:
        return learner.test_step(batch)
    found: dict[int, object] = {}
    for places, part in parts:
        found.update(zip(places, learner.test_step(part), strict=True))
    return [found[place] for place in range(len(found))]


def _classified(learner, data, step, cfg, prediction_dir, pictures):
    part, samples = data.evaluate_on_part, data.test_samples(step)
    count = data.protocol.num_classes(step)
    total = torch.zeros(count * count, dtype=torch.int64)
    predicted = torch.full((len(samples),), -1, dtype=torch.int64)
    rank, world = get_dist_info()
    place = rank
    for batch in data.pass_over(part, samples, cfg):
        scores, found = learner.test_step(batch), batch["data_samples"]
        classes = learner.adapter.competing(scores, found.to(scores.device)).argmax(1).cpu()
        total += torch.bincount(found.labels * count + classes, minlength=count * count)
        predicted[place : place + len(classes) * world : world] = classes
        place += len(classes) * world
    all_reduce(total)
    all_reduce(predicted, "max")
    if prediction_dir is not None and rank == 0:
        names, lines = data.protocol.label_names, [["image", "task", "label", "predicted"]]
        for sample, best in zip(samples, predicted.tolist(), strict=True):
            label = names[data.labels[part][sample.image]]
            lines.append([sample.image, sample.task, label, names[best]])
        folder = writable_dir(prediction_dir, "prediction_dir")
        atomic_write_text(folder / "predictions.csv", csv_text(lines))
    return {0: total.view(count, count).numpy()}


def step_metrics(protocol: Protocol, step: int, confusions: dict[int, np.ndarray]) -> dict:
    """The measures of accuracy in a step's entry of ``results.json``.

    ``row`` (of the result matrix), ``overall``, ``per_class`` and ``confusions``; for segmentation
    also ``mean_accuracy`` and ``pixel_accuracy``; class-incremental ``old``, ``new``, ``all`` and
    ``hiou``.
    """
    pooled, names = pool(confusions), protocol.classes_seen(step)
    owners, average = protocol.task_of_class(step), protocol.average
    found: dict = {"confusions": {str(task): m.tolist() for task, m in confusions.items()}}
    if protocol.problem == "classification":
        return found | {
            "overall": accuracy(pooled),
            "per_class": per_class(accuracy_per_class(pooled), names),
            "row": row_by_classes(pooled, owners, accuracy),
        }
    found |= {
        "overall": mean_iou(pooled, average=average),
        "mean_accuracy": mean_accuracy(pooled, average=average),
        "pixel_accuracy": accuracy(pooled),
        "per_class": per_class(iou_per_class(pooled), names),
    }
    if protocol.scenario == "class":
        row = row_by_classes(pooled, owners, partial(mean_iou, average=average))
        return found | {"row": row, **old_new_all(pooled, owners, average)}
    return found | {"row": row_by_domains(confusions, average)}
