"""Evaluating a classifier on every task seen so far."""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce, get_dist_info

from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.evaluation import accuracy, accuracy_row, recall_per_class
from vdfd_seg.models import ContinualLearner
from vdfd_seg.protocols import Protocol
from vdfd_seg.utils.files import atomic_write_text, writable_dir


@torch.no_grad()
def classification_confusions(
    learner: ContinualLearner,
    data: ClassificationData,
    step: int,
    cfg: dict,
    prediction_dir: str | Path | None = None,
) -> dict[int, np.ndarray]:
    """Confusion matrix over the test images of every task seen after ``step``.

    Where the task is known (``scenario="task"``), a prediction is the best class of the image's
    own task; else the best of all classes seen.

    Args:
        learner: A :class:`~vdfd_seg.models.ContinualLearner`.
        data: The protocol and its images.
        step: The step whose network ``learner`` holds.
        cfg: The config's ``test_dataloader``.
        prediction_dir: Where to write ``predictions.csv``, one line an image.

    Returns:
        ``{0: (C, C)}`` over the classes seen, rows are true classes, on every process.
    """
    learner.eval()
    part, samples = data.evaluate_on_part, data.test_samples(step)
    count = data.protocol.num_classes(step)
    total = torch.zeros(count * count, dtype=torch.int64)
    predicted = torch.full((len(samples),), -1, dtype=torch.int64)
    rank, world = get_dist_info()
    place = rank
    for batch in data.pass_over(part, samples, cfg):
        scores = learner.val_step(batch)
        labels = batch["data_samples"].labels
        classes = learner.adapter.competing(scores, batch["data_samples"].to(scores.device)).argmax(
            1
        )
        classes = classes.cpu()
        total += torch.bincount(labels * count + classes, minlength=count * count)
        predicted[place : place + len(classes) * world : world] = classes
        place += len(classes) * world
    all_reduce(total)
    all_reduce(predicted, "max")
    if prediction_dir is not None and rank == 0:
        folder = writable_dir(prediction_dir, "prediction_dir")
        _write(folder / "predictions.csv", data, part, samples, predicted)
    return {0: total.view(count, count).numpy()}


def classification_metrics(
    protocol: Protocol, step: int, confusions: dict[int, np.ndarray]
) -> dict:
    """What a step's entry of ``results.json`` says about accuracy.

    Returns:
        ``row`` (of the result matrix), ``overall``, ``per_class`` and ``confusions``.
    """
    matrix = confusions[0]
    return {
        "overall": accuracy(matrix),
        "per_class": recall_per_class(matrix, protocol.classes_seen(step)),
        "confusions": {"0": matrix.tolist()},
        "row": accuracy_row(matrix, protocol.task_of_class(step)),
    }


def _write(path, data, part, samples, predicted):
    names = data.protocol.label_names
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["image", "task", "label", "predicted"])
    for sample, best in zip(samples, predicted.tolist(), strict=True):
        label = names[data.labels[part][sample.image]]
        lines.writerow([sample.image, sample.task, label, names[best]])
    atomic_write_text(path, text.getvalue())
