"""The example images of a run's report: their labels, and what a step predicts."""

from operator import methodcaller
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from vdfd_seg.datasets.segmentation.crops import whole_image
from vdfd_seg.datasets.segmentation.labels import stored_labels
from vdfd_seg.errors import InputError
from vdfd_seg.models import ContinualLearner
from vdfd_seg.utils.files import atomic_write, atomic_write_image


def write_examples(data: Any, samples: list, folder: Path) -> None:
    """Copy the example images and their labels for the report: NAME.jpg, and NAME.png with labels.

    ``samples`` are those of :meth:`~vdfd_seg.datasets.data.ContinualData.example_samples`.
    """
    folder.mkdir(exist_ok=True)
    for sample in samples:
        info = data.evaluation_source.dataset.get_data_info(sample.image)
        name = _name(data, sample)
        image = cv2.imread(info["img_path"])
        if image is None:
            raise InputError(f"cannot read the image '{info['img_path']}'; is it damaged?")
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        atomic_write(folder / f"{name}.jpg", methodcaller("write", packed), durable=False)
        labels = np.asarray(sample.label_map)[stored_labels(info)]
        atomic_write_image(folder / f"{name}.png", Image.fromarray(labels.astype(np.uint8)))


def _name(data, sample):
    return data.evaluation_source.names[sample.image].replace("/", "_")


@torch.no_grad()
def predict_examples(
    learner: ContinualLearner, data: Any, samples: list, cfg: dict, folder: Path
) -> None:
    """Write the predicted index mask of each example image as NAME.png."""
    folder.mkdir(exist_ok=True)
    learner.eval()
    pipeline = whole_image(cfg["dataset"]["pipeline"])
    dataset = data.dataset(data.evaluate_on_part, samples, pipeline)
    for number, sample in enumerate(samples):
        packed = dataset[number]
        batch = {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}
        prediction = learner.test_step(batch)[0].pred_sem_seg.data.squeeze().cpu().numpy()
        mask = Image.fromarray(prediction.astype(np.uint8))
        atomic_write_image(folder / f"{_name(data, sample)}.png", mask)
