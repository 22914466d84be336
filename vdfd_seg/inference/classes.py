"""Classifying images with the network of a step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.datasets.classification.folder import read_image
from vdfd_seg.inference.predictor import StepPredictor
from vdfd_seg.models import ContinualLearner


@dataclass(frozen=True)
class ClassPrediction:
    """What a classifier says of an image.

    Attributes:
        label: Index of the class.
        name: Its name.
        score: Softmax of what the method ranks by (logits; iCaRL: minus the distance to a
            class's mean) over the competing classes: 0 to 1.
    """

    label: int
    name: str
    score: float


class ClassPredictor(StepPredictor[ClassPrediction]):
    """A step's classifier; images of another size than ``image_size`` are resized to it.

    Args:
        learner, meta: As for the base class.
        task: The task whose classes alone compete; None: those of all tasks seen.
    """

    problem = "classification"

    def __init__(self, learner: ContinualLearner, meta: dict, task: int | None = None):
        super().__init__(learner, meta)
        self.task = task

    def read(self, path: str | Path) -> np.ndarray:
        """The image of a file, ``(H, W, 3)`` uint8 RGB."""
        return read_image(Path(path))

    def _packed(self, image: np.ndarray) -> tuple[tuple, np.ndarray]:
        if self.image_size is not None and image.shape[:2] != self.image_size:
            size = self.image_size[::-1]
            image = np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        return image.shape, image

    def _predict(self, batch: Sequence[np.ndarray]) -> Iterator[ClassPrediction]:
        inputs = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2)
        known = torch.full((len(batch),), self.task or 0)
        samples = LabelledImages(torch.zeros_like(known), known)
        scores = self.learner.test_step({"inputs": inputs, "data_samples": samples})
        scores = self.learner.adapter.competing(scores, samples.to(scores.device)).softmax(1)
        best = scores.max(1)
        for label, score in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            yield ClassPrediction(label, self.classes[label], score)
