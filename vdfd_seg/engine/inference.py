"""Segmenting images with the checkpoint of any step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import ConfigDict
from torch import nn

from vdfd_seg.checkpoint import load_step
from vdfd_seg.datasets.image_limit import check_image_size
from vdfd_seg.engine.environment import set_up
from vdfd_seg.engine.networks import finished_network
from vdfd_seg.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclass
class Predictor:
    """A step's network with all that its checkpoint says about it.

    Attributes:
        network: The segmentor, in evaluation mode.
        classes: Class names in label order.
        palette: One RGB colour a class.
        step: The step.
    """

    network: nn.Module
    classes: list[str]
    palette: list[list[int]]
    step: int
    pipeline: Compose

    @classmethod
    def load(cls, checkpoint: str | Path) -> "Predictor":
        """The predictor of a step's checkpoint; no config is needed.

        Raises:
            InputError: For a file that is no step's checkpoint, or damaged.
        """
        set_up()
        saved = load_step(checkpoint)
        meta = saved["meta"]
        if meta.get("problem", "segmentation") != "segmentation":
            raise InputError(
                f"checkpoint '{checkpoint}' is a classifier's, and this command segments images; "
                f"'vdfd_seg test' with prediction_dir set writes a classifier's predictions."
            )
        names = meta["dataset_meta"]["classes"]
        network = finished_network(ConfigDict(meta["model"]), len(names), saved["state_dict"])
        steps = [dict(t) for t in meta["test_pipeline"]]
        steps = [t for t in steps if t["type"] not in ("LoadAnnotations", "vdfd_seg.MaskLabels")]
        for transform in steps:
            if "scale" in transform:
                transform["scale"] = tuple(transform["scale"])
        palette = meta["dataset_meta"]["palette"]
        return cls(network, names, palette, meta["step"], Compose(steps))

    @torch.no_grad()
    def __call__(self, image: str | Path) -> np.ndarray:
        """(H, W) uint8 labels at the image's own size.

        Args:
            image: The image's file.

        Raises:
            InputError: For a file that is no image.
        """
        check_image_size(image)
        try:
            packed = self.pipeline({"img_path": str(image)})
        except Exception as error:
            raise InputError(f"cannot read the image '{image}': {error}") from error
        batch = {"inputs": [packed["inputs"]], "data_samples": [packed["data_samples"]]}
        prediction = self.network.test_step(batch)[0].pred_sem_seg.data
        return prediction.squeeze(0).cpu().numpy().astype(np.uint8)


def find_images(path: str | Path) -> list[Path]:
    """An image, or the images below a folder.

    Raises:
        InputError: When there is none.
    """
    path = Path(path)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        if not found:
            raise InputError(f"'{path}' holds no images ({', '.join(IMAGE_SUFFIXES)}).")
        return found
    if not path.is_file():
        raise InputError(f"image '{path}' does not exist.")
    return [path]
