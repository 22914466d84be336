"""The crops of the literature's recipes: for training, and for evaluation."""

import math
from collections.abc import Mapping, Sequence

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform

from vdfd_seg.datasets.segmentation.task_dataset import kind_of
from vdfd_seg.errors import InputError
from vdfd_seg.registry import TRANSFORMS

_ATTEMPTS = 10
_RATIOS = (3 / 4, 4 / 3)
_SIZE = (512, 512)


@TRANSFORMS.register_module()
class RandomResizedCrop(BaseTransform):
    r"""Cut out a random part and resize it to ``size``, without keeping its shape.

    The part's area is :math:`a \cdot HW` with :math:`a` uniform in ``scale``, the ratio of its
    sides (width by height) :math:`e^u` with :math:`u` uniform between the logarithms of 3/4 and
    4/3 (Szegedy et al., CVPR 2015, as torchvision has it, which MiB and PLOP use with areas from
    a half to twice the image's). A part that does not fit is drawn again, ten times at most; then
    it is the largest of such a ratio in the middle (in an image of 2:1, most are). Pillow averages
    over the pixels where it makes smaller, as the published code does.

    Modified keys: ``img``, ``img_shape`` and the maps in ``seg_fields``.

    Args:
        size: Height and width of what comes out.
        scale: Least and largest area of a part, as a share of the image's; may exceed 1.
    """

    def __init__(self, size: Sequence[int] = _SIZE, scale: Sequence[float] = (0.5, 2.0)):
        self.size = _checked_size(self, size)
        self.scale = low, high = tuple(scale)
        if not 0 < low <= high:
            raise InputError(
                f"RandomResizedCrop: scale={(low, high)} must be two numbers above 0, in order."
            )

    def part(self, height: int, width: int) -> tuple[int, int, int, int]:
        """A random part of an image: top, left, height, width."""
        small, large = self.scale
        upright, wide = map(math.log, _RATIOS)
        for _ in range(_ATTEMPTS):
            area = height * width * np.random.uniform(small, large)
            ratio = math.exp(np.random.uniform(upright, wide))
            part_width, part_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < part_width <= width and 0 < part_height <= height:
                top = np.random.randint(height - part_height + 1)
                left = np.random.randint(width - part_width + 1)
                return top, left, part_height, part_width
        part_width = min(width, round(height * _RATIOS[1]))
        part_height = min(height, round(width / _RATIOS[0]))
        return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width

    def transform(self, results: dict) -> dict:
        """Cut and resize the image and its maps alike."""
        top, left, height, width = self.part(*results["img"].shape[:2])
        keys = [("img", "bilinear")]
        keys += [(key, "nearest") for key in results.get("seg_fields", [])]
        for key, interpolation in keys:
            cut = np.ascontiguousarray(results[key][top : top + height, left : left + width])
            results[key] = mmcv.imresize(
                cut, self.size[::-1], interpolation=interpolation, backend="pillow"
            )
        results["img_shape"] = self.size
        return results


@TRANSFORMS.register_module()
class EvaluationCrop(BaseTransform):
    """Evaluate on the middle of the image alone, at the resolution it has been resized to.

    What MiB, PLOP and RCIL report numbers on: shorter side to 512, the middle 512 x 512. To be put
    after ``LoadAnnotations``, so that the labels are of the same part, and after ``Resize``; with
    ``shorter_side`` before it, which then serves inference and the report's pictures alone: those
    leave the crop out and show the whole image.

    Modified keys: ``img``, ``img_shape``, the maps in ``seg_fields``, and ``ori_shape``, to which
    predictions are resized.

    Args:
        size: Height and width; sides of the image that are shorter stay as they are.
        shorter_side: Length to bring the image's shorter side to before. The longer side is cut
            off to whole pixels, as in the published code; MMCV's ``Resize`` rounds it.

    Raises:
        InputError: For a size that is not positive, or an image and labels of unequal size.
    """

    def __init__(self, size: Sequence[int] = _SIZE, shorter_side: int | None = None):
        self.size = _checked_size(self, size)
        self.shorter_side = shorter_side
        if shorter_side is not None:
            _checked_size(self, (shorter_side, shorter_side))

    def transform(self, results: dict) -> dict:
        """Resize, if asked to, and cut out the middle."""
        keys = ("img", *results.get("seg_fields", []))
        shape = results["img"].shape[:2]
        for key in keys:
            if results[key].shape[:2] != shape:
                raise InputError(
                    f"EvaluationCrop: the image is {shape} and '{key}' {results[key].shape[:2]}; "
                    "put LoadAnnotations before Resize in the test pipeline."
                )
        if self.shorter_side is not None:
            shape = tuple(self.shorter_side * side // min(shape) for side in shape)
            for key in keys:
                results[key] = mmcv.imresize(
                    results[key],
                    shape[::-1],
                    interpolation="bilinear" if key == "img" else "nearest",
                    backend="pillow",
                )
        starts = [max(0, round((side - wanted) / 2)) for side, wanted in zip(shape, self.size)]
        part = tuple(
            slice(start, start + wanted) for start, wanted in zip(starts, self.size, strict=True)
        )
        for key in keys:
            results[key] = results[key][part]
        results["img_shape"] = results["ori_shape"] = results["img"].shape[:2]
        return results


def whole_image(pipeline: Sequence[dict]) -> list[dict]:
    """A test pipeline without :class:`EvaluationCrop`."""
    return [step for step in pipeline if not _crops(step)]


def evaluated_part(pipeline: Sequence[dict]) -> tuple[int, int] | None:
    """Height and width of the part that a test pipeline evaluates; None for whole images."""
    crop = next(filter(_crops, pipeline), None)
    return None if crop is None else EvaluationCrop(crop.get("size", _SIZE)).size


def _crops(step: object) -> bool:
    # A step that is none is for the data set to refuse.
    kind = step.get("type") if isinstance(step, Mapping) else None
    return kind is not None and kind_of(kind) == "EvaluationCrop"


def _checked_size(transform, size: Sequence[int]) -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise InputError(
            f"{type(transform).__name__}: size={size} must be a height and a width above 0."
        )
    return int(size[0]), int(size[1])
