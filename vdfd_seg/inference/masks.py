"""Segmenting images with the network of a step."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmcv.transforms import Compose

from vdfd_seg.datasets.image_files import check_image_size
from vdfd_seg.datasets.segmentation.crops import whole_image
from vdfd_seg.errors import reading
from vdfd_seg.inference.predictor import Image, StepPredictor
from vdfd_seg.models import ContinualLearner
from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.visualization.overlay import as_rgb, overlay, with_legend

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


def palette_of(meta: dict) -> list[list[int]]:
    """RGB of each class of a checkpoint; VOC's colour map where it has none."""
    described = meta["dataset_meta"]
    return described["palette"] or default_palette(len(described["classes"]))


class Predictor(StepPredictor[np.ndarray]):
    """A step's segmentation network: labels ``(H, W)`` at the image's own size.

    They are uint8, or uint16 for more than 256 classes.

    Attributes:
        palette: One RGB colour a class.
        background: Place of the background among the classes; None where there is none. Overlays
            leave it unpainted.

    Args:
        learner, meta: As for the base class.
    """

    problem = "segmentation"

    def __init__(self, learner: ContinualLearner, meta: dict):
        super().__init__(learner, meta)
        self.palette = palette_of(meta)
        # Checkpoints that do not say which class it is are taken to call it so.
        name = meta.get("background") or "background"
        self.background = self.classes.index(name) if name in self.classes else None
        loader, *steps = image_transforms(meta)
        self._load = Compose([loader])
        self._pipeline = Compose(steps)
        self._dtype = np.uint8 if len(self.classes) <= 256 else np.uint16

    def read(self, path: str | Path) -> np.ndarray:
        """The image of a file as the checkpoint's pipeline loads it, with the channels RGB."""
        check_image_size(path)
        with reading(f"cannot read the image '{path}'"):
            return _channels_reversed(self._load({"img_path": str(path)})["img"])

    def picture(
        self,
        image: Image,
        mask: np.ndarray | None = None,
        alpha: float = 0.5,
        named: Sequence[int] | None = None,
    ) -> np.ndarray:
        """The image with its classes' colours over it and a legend below; not of the background.

        Args:
            image: As for a call.
            mask: Its labels; predicted where None is given.
            alpha: Weight of the colours, 0 to 1.
            named: Labels of the classes that the legend has. Default: those present.

        Returns:
            ``(height, width, 3)`` uint8 RGB.
        """
        image = image if isinstance(image, np.ndarray) else self.read(image)
        mask = self(image) if mask is None else mask
        named = np.unique(mask).tolist() if named is None else named
        blended = overlay(as_rgb(image), mask, self.palette, alpha, self.background)
        named = [label for label in named if label != self.background]
        return with_legend(blended, named, self.classes, self.palette)

    def pages(self, images: list, alpha: float, named: Sequence[int] | None) -> Iterator[tuple]:
        """For a folder or video: (:meth:`picture`, labels, no changes) of each image."""
        for image, mask in zip(images, self(images), strict=True):
            yield self.picture(image, mask, alpha, named), mask, ()

    def _packed(self, image: np.ndarray) -> tuple[tuple, dict]:
        loaded: dict = {"img": _channels_reversed(image)}
        loaded["img_shape"] = loaded["ori_shape"] = image.shape[:2]
        packed = self._pipeline(loaded)
        return (packed["inputs"].shape, image.shape[:2]), packed

    def _predict(self, batch: list[dict]) -> Iterator[np.ndarray]:
        whole = {key: [each[key] for each in batch] for key in ("inputs", "data_samples")}
        for output in self.learner.test_step(whole):
            yield output.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(self._dtype)


def _channels_reversed(image: np.ndarray) -> np.ndarray:
    """RGB from BGR and back: OpenCV's order is that of mmsegmentation's pipelines."""
    colour = image.ndim == 3 and image.shape[2] == 3
    return np.ascontiguousarray(image[..., ::-1]) if colour else image
