"""What predictors of every problem share."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np
import torch

from vdfd_seg.datasets.data import places_by
from vdfd_seg.errors import InputError
from vdfd_seg.models import ContinualLearner

Image = str | Path | np.ndarray
Prediction = TypeVar("Prediction")


class StepPredictor(ABC, Generic[Prediction]):
    """A step's network with all that its checkpoint says about it.

    Attributes:
        problem: ``"segmentation"`` or ``"classification"``.
        classes: Class names in label order.
        step: The step.
        scenario: The protocol's; None where the checkpoint does not say.
        image_size: (height, width) of the images it was trained on; None where they are of many
            sizes, or the checkpoint does not say.
        network: The network, frozen, in evaluation mode.

    Args:
        learner: The network and its method.
        meta: The checkpoint's.
    """

    problem: str

    def __init__(self, learner: ContinualLearner, meta: dict):
        self.learner = learner
        self.network = learner.network
        self.classes = list(meta["dataset_meta"]["classes"])
        self.step = meta["step"]
        self.scenario = meta.get("scenario")
        size = meta.get("image_size")
        self.image_size = None if size is None else tuple(size)

    @abstractmethod
    def read(self, path: str | Path) -> np.ndarray:
        """The image of a file, ``(H, W, 3)`` RGB."""

    @overload
    def __call__(self, images: Image) -> Prediction: ...

    @overload
    def __call__(self, images: list | tuple) -> list[Prediction]: ...

    @torch.no_grad()
    def __call__(self, images: Image | list | tuple) -> Prediction | list[Prediction]:
        """The prediction for an image, resized and normalised as in evaluation.

        Args:
            images: An image: its file, or an array ``(H, W, 3)`` uint8 RGB. Or a list of
                images: those of one size go through the network in one batch.

        Returns:
            A prediction, or a list of them.
        """
        if not isinstance(images, (list, tuple)):
            return self([images])[0]
        sizes, packed = [], []
        for image in images:
            if not isinstance(image, np.ndarray):
                image = self.read(image)
            elif image.shape[2:] != (3,) or image.dtype != np.uint8 or not image.size:
                raise InputError(
                    f"an array must be an image (H, W, 3) of uint8 in RGB, not {image.shape} of "
                    f"{image.dtype}."
                )
            size, ready = self._packed(image)
            sizes.append(size)
            packed.append(ready)
        found: list = [None] * len(images)
        for places in places_by(sizes):
            predictions = self._predict([packed[place] for place in places])
            for place, prediction in zip(places, predictions, strict=True):
                found[place] = prediction
        return found

    @abstractmethod
    def _packed(self, image: np.ndarray) -> tuple[Hashable, Any]:
        """What goes through the network, after what may share a batch."""

    @abstractmethod
    def _predict(self, batch: list) -> Iterable[Prediction]:
        """The predictions for a batch."""
