"""Transforms of samples that continual learning needs."""

import numpy as np
from mmcv.transforms import BaseTransform

from vdfd_seg.datasets.image_limit import open_image
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX, SALIENT_INDEX
from vdfd_seg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MaskLabels(BaseTransform):
    """Turn the values stored in a mask into the labels of a continual-learning step.

    To be put after ``LoadAnnotations``. The sample's own table says what becomes of every mask
    value: classes of the step keep a label, past and future ones become background (the background
    shift) or ignored. ``gt_seg_map``, ``(height, width)`` uint8, becomes the labels.

    Keys that the data set sets:

    - ``continual_label_map``: 256 integers, the label (0 to 255) of each mask value, or -1 for a
      value that must not occur.
    - ``saliency_path`` (optional): a saliency map; background where it is not 0 gets the label
      ``SALIENT_INDEX``.
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


@TRANSFORMS.register_module()
class BlankLabels(BaseTransform):
    """Stands in for ``LoadAnnotations`` where images come without masks: every pixel is ignored."""

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map``, uint8 of 255 in the image's size as it was read."""
        size = results.get("ori_shape", results["img"].shape)[:2]
        results["gt_seg_map"] = np.full(size, IGNORE_INDEX, np.uint8)
        results.setdefault("seg_fields", []).append("gt_seg_map")
        return results


def _salient(path: str, shape: tuple[int, ...]) -> np.ndarray:
    found = np.asarray(open_image(path, "saliency map"))
    if found.shape != shape:
        raise InputError(
            f"the saliency map '{path}' has shape {found.shape}, the image's mask {shape}: it must "
            f"be one grey image of the same size."
        )
    return found != 0
