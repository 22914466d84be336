"""Classifying images with the network of a step."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.datasets.classification.folder import read_image
from vdfd_seg.datasets.image_files import check_array
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


class ClassPredictor:
    """A step's classifier with all that its checkpoint says about it.

    Attributes:
        classes: Class names in label order.
        step: The step.
        scenario: ``"task"`` or ``"class"``: the protocol's.
        task: The task whose classes alone compete; None: those of all tasks seen.
        image_size: (height, width) of the images it was trained on; None where the checkpoint
            does not say.
        network: The classifier, frozen, in evaluation mode.

    Args:
        learner: The network and its method.
        meta: The checkpoint's.
        task: See above.
    """

    problem: Literal["classification"] = "classification"

    def __init__(self, learner: ContinualLearner, meta: dict, task: int | None = None):
        self.learner = learner
        self.network = learner.network
        self.classes = list(meta["dataset_meta"]["classes"])
        self.step = meta["step"]
        self.scenario = meta["scenario"]
        self.task = task
        size = meta.get("image_size")
        self.image_size = None if size is None else tuple(size)

    def read(self, path: str | Path) -> np.ndarray:
        """The image of a file, ``(H, W, 3)`` uint8 RGB.

        Raises:
            InputError: For a file that is no image of 8 bits a channel.
        """
        return read_image(Path(path))

    @overload
    def __call__(self, images: str | Path | np.ndarray) -> ClassPrediction: ...

    @overload
    def __call__(self, images: list | tuple) -> list[ClassPrediction]: ...

    @torch.no_grad()
    def __call__(
        self, images: str | Path | np.ndarray | list | tuple
    ) -> ClassPrediction | list[ClassPrediction]:
        """The class of an image, resized to ``image_size`` where it is of another size.

        Args:
            images: An image: its file, or an array ``(H, W, 3)`` uint8 RGB. Or a list of
                images: those of one size are classified in one batch.

        Returns:
            A :class:`ClassPrediction`, or a list of them.

        Raises:
            InputError: For a file that is no image, or an array that is none.
        """
        if not isinstance(images, (list, tuple)):
            return self([images])[0]
        groups = defaultdict(list)
        for place, image in enumerate(images):
            pixels = self._pixels(image)
            groups[pixels.shape].append((place, pixels))
        found: list = [None] * len(images)
        for group in groups.values():
            scores = self._scores([pixels for _, pixels in group])
            best = scores.max(1)
            rows = zip(group, best.indices.tolist(), best.values.tolist(), strict=True)
            for (place, _), label, score in rows:
                found[place] = ClassPrediction(label, self.classes[label], score)
        return found

    def _scores(self, images: Sequence[np.ndarray]) -> Tensor:
        inputs = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
        known = torch.full((len(images),), self.task or 0)
        samples = LabelledImages(torch.zeros_like(known), known)
        scores = self.learner.test_step({"inputs": inputs, "data_samples": samples})
        return self.learner.adapter.competing(scores, samples.to(scores.device)).softmax(1)

    def _pixels(self, image: str | Path | np.ndarray) -> np.ndarray:
        if not isinstance(image, np.ndarray):
            image = self.read(image)
        else:
            check_array(image)
        if self.image_size is not None and image.shape[:2] != self.image_size:
            size = self.image_size[::-1]
            image = np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        return image
