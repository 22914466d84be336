"""Segmenting images with the network of a step."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
import torch
from mmcv.transforms import Compose

from vdfd_seg.datasets.image_files import check_array
from vdfd_seg.datasets.image_limit import check_image_size
from vdfd_seg.datasets.segmentation.crops import whole_image
from vdfd_seg.errors import InputError
from vdfd_seg.models import ContinualLearner
from vdfd_seg.visualization import default_palette, legend, overlay
from vdfd_seg.visualization.pages import as_rgb, stacked

Image = str | Path | np.ndarray

# What a pipeline of evaluation does to labels; here there are none.
LABEL_TRANSFORMS = ("LoadAnnotations", "vdfd_seg.MaskLabels")


def image_transforms(meta: dict) -> list[dict]:
    """The test pipeline of a checkpoint, of whole images and without what it does to labels."""
    steps = [dict(t) for t in whole_image(meta["test_pipeline"])]
    steps = [t for t in steps if t["type"] not in LABEL_TRANSFORMS]
    for transform in steps:
        if "scale" in transform:
            transform["scale"] = tuple(transform["scale"])
    return steps


class Predictor:
    """A step's segmentation network with all that its checkpoint says about it.

    Attributes:
        classes: Class names in label order.
        palette: One RGB colour a class.
        background: Place of the background among the classes; None where there is none. Overlays
            leave it unpainted.
        step: The step.
        network: The segmentor, frozen, in evaluation mode.

    Args:
        learner: The network and its method.
        meta: The checkpoint's.
    """

    problem: Literal["segmentation"] = "segmentation"

    def __init__(self, learner: ContinualLearner, meta: dict):
        self.learner = learner
        self.network = learner.network
        self.classes = list(meta["dataset_meta"]["classes"])
        self.palette = meta["dataset_meta"]["palette"] or default_palette(len(self.classes))
        # Checkpoints that do not say which class it is are taken to call it so.
        name = meta.get("background") or "background"
        self.background = self.classes.index(name) if name in self.classes else None
        self.step = meta["step"]
        loader, *steps = image_transforms(meta)
        self._load = Compose([loader])
        self._pipeline = Compose(steps)
        self._dtype = np.uint8 if len(self.classes) <= 256 else np.uint16

    def read(self, path: str | Path) -> np.ndarray:
        """The image of a file as the checkpoint's pipeline loads it, with the channels RGB.

        Returns:
            ``(H, W, 3)`` uint8, unless the pipeline loads otherwise.

        Raises:
            InputError: For a file that is no image, or one of absurd size.
        """
        check_image_size(path)
        try:
            image = self._load({"img_path": str(path)})["img"]
        except Exception as error:
            raise InputError(f"cannot read the image '{path}': {error}") from error
        return _channels_reversed(image)

    @overload
    def __call__(self, images: Image) -> np.ndarray: ...

    @overload
    def __call__(self, images: list | tuple) -> list[np.ndarray]: ...

    @torch.no_grad()
    def __call__(self, images: Image | list | tuple) -> np.ndarray | list[np.ndarray]:
        """Labels at the image's own size, resized and normalised as in evaluation.

        Args:
            images: An image: its file, or an array ``(H, W, 3)`` uint8 RGB. Or a list of
                images: they are segmented together, those of one size in one batch.

        Returns:
            ``(H, W)`` uint8 labels (uint16 for more than 256 classes), or a list of them.

        Raises:
            InputError: For a file that is no image, or an array that is none.
        """
        if not isinstance(images, (list, tuple)):
            return self([images])[0]
        groups = defaultdict(list)
        for place, image in enumerate(images):
            packed = self._packed(image)
            sample = packed["data_samples"]
            groups[packed["inputs"].shape, tuple(sample.ori_shape)].append((place, packed))
        masks: list = [None] * len(images)
        for group in groups.values():
            batch = {key: [each[key] for _, each in group] for key in ("inputs", "data_samples")}
            for (place, _), output in zip(group, self.learner.test_step(batch), strict=True):
                mask = output.pred_sem_seg.data.squeeze(0).cpu().numpy()
                masks[place] = mask.astype(self._dtype)
        return masks

    def picture(self, image: Image, mask: np.ndarray | None = None, alpha: float = 0.5):
        """The image with its classes' colours over it and a legend of those present below.

        Args:
            image: As for a call.
            mask: Its labels; predicted where None is given.
            alpha: Weight of the colours, 0 to 1.

        Returns:
            ``(height, width, 3)`` uint8 RGB.
        """
        image = image if isinstance(image, np.ndarray) else self.read(image)
        mask = self(image) if mask is None else mask
        return self.page(image, mask, np.unique(mask).tolist(), alpha)

    def page(self, image: np.ndarray, mask: np.ndarray, named: Sequence[int], alpha: float):
        """An overlay above a legend of the classes ``named``; the background has neither."""
        blended = overlay(as_rgb(image), mask, self.palette, alpha, self.background)
        named = [label for label in named if label != self.background]
        if not named:
            return blended
        names = [self.classes[label] for label in named]
        colours = [self.palette[label] for label in named]
        return stacked([blended, legend(names, colours, blended.shape[1])])

    def _packed(self, image: Image) -> dict:
        if not isinstance(image, np.ndarray):
            image = self.read(image)
        else:
            check_array(image)
        loaded: dict = {"img": _channels_reversed(image)}
        loaded["img_shape"] = loaded["ori_shape"] = image.shape[:2]
        return self._pipeline(loaded)


def _channels_reversed(image: np.ndarray) -> np.ndarray:
    """RGB from BGR and back: OpenCV's order is that of mmsegmentation's pipelines."""
    colour = image.ndim == 3 and image.shape[2] == 3
    return np.ascontiguousarray(image[..., ::-1]) if colour else image
