"""The dataset that one step reads: some images of a source, relabelled."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.dataset import BaseDataset, Compose
from torch.utils.data import Dataset

from vdfd_seg.datasets.data import Sample
from vdfd_seg.datasets.image_files import open_image
from vdfd_seg.errors import InputError, reading
from vdfd_seg.protocols import IGNORE_INDEX, SALIENT_INDEX
from vdfd_seg.registry import TRANSFORMS
from vdfd_seg.utils.seeding import derived_seed, seed_generators


class TaskDataset(Dataset):
    """The samples of one step, served through an mmsegmentation pipeline.

    Any dataset of MMSegmentation can be the source: only its list of images and masks is used.
    :class:`MaskLabels` is put after ``LoadAnnotations`` unless the pipeline already has it.

    Args:
        source: A dataset built with an empty pipeline.
        samples: What to serve.
        pipeline: mmsegmentation transforms.
        metainfo: ``classes`` and ``palette`` in label order.
        seed: The pipeline's randomness is a function of (seed, draw number) alone, so that an
            interrupted run draws the same again.
    """

    def __init__(
        self,
        source: BaseDataset,
        samples: Sequence[Sample],
        pipeline: Sequence[dict],
        metainfo: dict,
        seed: int = 0,
    ):
        self.source = source
        self.samples = list(samples)
        self.metainfo = metainfo
        self.seed = seed
        with reading("the data set's pipeline cannot be built"):
            self.pipeline = Compose(_with_masking(pipeline))

    def __deepcopy__(self, memo: dict) -> "TaskDataset":
        """Itself: MMEngine copies a loader's config, the list of all images with it."""
        return self

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key) -> dict:
        """One packed sample; a pipeline that ends in ``TestTimeAug`` gives lists of its views.

        Args:
            key: A position, or (position, draw number): the number sets the random state first.
        """
        position, draw = key if isinstance(key, tuple) else (key, None)
        if draw is not None:
            seed_generators(derived_seed(self.seed, "draw", draw))
        sample = self.samples[position]
        info = self.source.get_data_info(sample.image)
        info["continual_label_map"] = sample.label_map
        info["task"] = sample.task
        info["saliency_path"] = sample.saliency
        files = f"'{info.get('img_path')}' with mask '{info.get('seg_map_path')}'"
        with reading(f"cannot read {files}"):
            packed = self.pipeline(info)
        views = packed["data_samples"]
        for view in views if isinstance(views, list) else [views]:
            view.set_metainfo({"task": sample.task, "draw": draw})
        return packed


def _with_masking(pipeline):
    kinds = [kind_of(transform["type"]) for transform in pipeline]
    if "LoadAnnotations" not in kinds or "MaskLabels" in kinds:
        return list(pipeline)
    after = kinds.index("LoadAnnotations") + 1
    return [*pipeline[:after], {"type": "vdfd_seg.MaskLabels"}, *pipeline[after:]]


def loading_part(pipeline: Sequence[dict], where: str) -> list[dict]:
    """What stands before :class:`MaskLabels` in a pipeline, which messages call ``where``."""
    kinds = [kind_of(transform["type"]) for transform in _with_masking(pipeline)]
    if "MaskLabels" not in kinds:
        raise InputError(
            f"{where} has no LoadAnnotations of its own; with another transform that loads masks, "
            f"put dict(type='vdfd_seg.MaskLabels') after it."
        )
    return list(pipeline[: kinds.index("MaskLabels")])


def kind_of(name) -> str:
    """A transform's name without its scope: configs write names, scoped names or classes."""
    return name.rpartition(".")[2] if isinstance(name, str) else name.__name__


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
