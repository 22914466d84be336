"""MMEngine metric: one confusion matrix per task, from one pass over the test images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from PIL import Image

from vdfd_seg.evaluation.functional import Average, confusion_matrix, mean_iou
from vdfd_seg.registry import METRICS
from vdfd_seg.utils.files import atomic_write_image


@METRICS.register_module()
class ContinualIoU(BaseMetric):
    """Confusion matrices per task and the mean IoU over all of them pooled.

    The reported ``mIoU`` is :func:`~vdfd_seg.evaluation.functional.mean_iou` of ``sum_t M_t`` in
    percent. In domain-incremental evaluation a sample's metainfo names its task with the integer
    ``task``; without that key every image belongs to task 0.

    After :meth:`evaluate`, on every rank, :attr:`confusions` holds the matrices; MMEngine would
    print them if they were among the returned metrics.

    Args:
        ignore_index: Label of pixels that are not evaluated. Default 255.
        average: ``"present"`` (default) or ``"all"``, see ``mean_iou``.
        output_dir: Folder for the predictions as 8-bit PNG files of class indices, named after
            the image's stem. Default None: none are written.
        **kwargs: Those of MMEngine's ``BaseMetric``.

    Attributes:
        confusions: ``{task: (C, C) int64}``, rows are true classes; empty before the first
            :meth:`evaluate`.

    Raises:
        ValueError: While processing, if labels or predictions hold an index outside
            ``[0, len(dataset_meta["classes"]))`` that is not ``ignore_index``.
    """

    # Empty, not None: MMEngine warns of None, and names stay plain either way.
    default_prefix = ""

    def __init__(
        self,
        ignore_index: int = 255,
        average: Average = "present",
        output_dir: str | Path | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if average not in ("present", "all"):
            raise ValueError(f"average must be 'present' or 'all', not {average!r}")
        self.ignore_index = ignore_index
        self.average = average
        self.output_dir = Path(output_dir) if output_dir is not None else None
        self.confusions: dict[int, np.ndarray] = {}

    @property
    def num_classes(self) -> int:
        """Number of classes of the data set being evaluated, those seen so far."""
        return len(self.dataset_meta["classes"])

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample.

        Args:
            data_batch: Unused.
            data_samples: Dicts with ``pred_sem_seg.data`` and ``gt_sem_seg.data``, both
                ``(1, H, W)`` or ``(H, W)``, and optionally ``task`` and ``img_path``.
        """
        for sample in data_samples:
            prediction = _indices(sample["pred_sem_seg"]["data"])
            label = _indices(sample["gt_sem_seg"]["data"])
            confusion = confusion_matrix(prediction, label, self.num_classes, self.ignore_index)
            confusion = confusion.ravel()
            # Ranks must exchange one result per image (padded ones are dropped by position), and
            # a dense matrix per image would be large with many classes.
            cells = np.flatnonzero(confusion)
            self.results.append((int(sample.get("task", 0)), cells, confusion[cells]))
            if self.output_dir is not None:
                self._write(self.output_dir, prediction, sample["img_path"])

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """``{"mIoU": percent, "confusions": {task: (C, C) array}}``, the images of each pooled."""
        size = self.num_classes
        confusions: dict[int, np.ndarray] = {}
        for task, cells, counts in results:
            total = confusions.setdefault(task, np.zeros(size * size, dtype=np.int64))
            total[cells] += counts
        confusions = {task: confusions[task].reshape(size, size) for task in sorted(confusions)}
        pooled = sum(confusions.values(), np.zeros((size, size), dtype=np.int64))
        return {"mIoU": mean_iou(pooled, average=self.average), "confusions": confusions}

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather over all ranks, set :attr:`confusions` and return ``{"mIoU": percent}``."""
        metrics = super().evaluate(size)
        self.confusions = metrics.pop(f"{self.prefix}/confusions" if self.prefix else "confusions")
        return metrics

    def _write(self, folder: Path, prediction: np.ndarray, img_path: str) -> None:
        if self.num_classes > 256:
            raise ValueError("predictions of more than 256 classes do not fit 8-bit PNG files")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{Path(img_path).stem}.png"
        atomic_write_image(target, Image.fromarray(prediction.astype(np.uint8)))


def _indices(data: Any) -> np.ndarray:
    array = data.detach().cpu().numpy() if hasattr(data, "detach") else np.asarray(data)
    return array[0] if array.ndim == 3 else array
