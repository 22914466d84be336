"""Transforms of samples that continual learning needs."""

import numpy as np
from mmcv.transforms import BaseTransform
from PIL import Image

from vdfd_seg.errors import InputError, reading
from vdfd_seg.protocols import IGNORE_INDEX, SALIENT_INDEX
from vdfd_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MaskLabels(BaseTransform):
    """Turn the values stored in a mask into the labels of a continual-learning step.

    To be put after ``LoadAnnotations``. The sample's own table says what becomes of
    every mask value: classes of the step keep a label, past and future classes become
    background (the background shift) or ignored.

    Required keys:

    - ``gt_seg_map``: ``(height, width)`` uint8.
    - ``continual_label_map``: 256 integers, the label (0 to 255) of each mask value,
      or -1 for a value that must not occur; the data set sets it.
    - ``saliency_path`` (optional): a saliency map; background where it is not 0 gets the label
      ``SALIENT_INDEX``.

    Modified keys:

    - ``gt_seg_map``: the labels, same shape and type.
    """

    def transform(self, results: dict) -> dict:
        """Apply the sample's table to its segmentation map.

        Raises:
            InputError: The mask holds a value that the table maps to -1, there is none, or the
                saliency map is none of this image.
        """
        table = np.asarray(results["continual_label_map"], dtype=np.int16)
        mask = results.get("gt_seg_map")
        if mask is None:
            raise InputError(
                "MaskLabels found no 'gt_seg_map': put it after LoadAnnotations in the pipeline."
            )
        labels = table[mask]
        unexpected = labels < 0
        if unexpected.any():
            values = ", ".join(str(value) for value in np.unique(mask[unexpected]))
            raise InputError(
                f"{results.get('seg_map_path')}: the mask holds {values}, which this data set "
                "does not have; correct the mask or the classes."
            )
        if results.get("saliency_path"):
            salient = _salient(results["saliency_path"], labels.shape)
            labels[salient & (labels == 0)] = SALIENT_INDEX
        results["gt_seg_map"] = labels.astype(np.uint8)
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@TRANSFORMS.register_module()
class BlankLabels(BaseTransform):
    """Stands in for ``LoadAnnotations`` where images come without masks: every pixel is ignored.

    Added keys:

    - ``gt_seg_map``: ``(height, width)`` uint8 of 255, in the image's size as it was read.
    """

    def transform(self, results: dict) -> dict:
        """Add the map."""
        size = results.get("ori_shape", results["img"].shape)[:2]
        results["gt_seg_map"] = np.full(size, IGNORE_INDEX, np.uint8)
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _salient(path: str, shape: tuple[int, ...]) -> np.ndarray:
    with reading(f"cannot read the saliency map '{path}'"), Image.open(path) as image:
        found = np.asarray(image)
    if found.shape != shape:
        raise InputError(
            f"the saliency map '{path}' has shape {found.shape}, the image's mask {shape}: it must "
            f"be one grey image of the same size."
        )
    return found != 0
