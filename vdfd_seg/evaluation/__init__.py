"""Metrics of continual learning, ``results.json`` and its tables."""

from vdfd_seg.evaluation.files import load_results, write_results
from vdfd_seg.evaluation.functional import (
    accuracy,
    average_accuracy,
    average_incremental,
    backward_transfer,
    confusion_matrix,
    forgetting,
    iou_per_class,
    mean_iou,
    new_task_metric,
)
from vdfd_seg.evaluation.groups import group_runs, mean_and_deviation
from vdfd_seg.evaluation.metrics import ContinualIoU
from vdfd_seg.evaluation.readable import format_number, human_bytes
from vdfd_seg.evaluation.results import (
    accuracy_row,
    class_incremental_row,
    domain_incremental_row,
    old_new_all,
    per_class,
    pool,
    recall_per_class,
    summarise,
)
from vdfd_seg.evaluation.runs import RunFiles, read_runs, run_names
from vdfd_seg.evaluation.table import (
    format_comparison,
    format_orders,
    format_seeds,
    format_table,
    over_orders,
)

__all__ = [
    "ContinualIoU",
    "RunFiles",
    "accuracy",
    "accuracy_row",
    "average_accuracy",
    "average_incremental",
    "backward_transfer",
    "class_incremental_row",
    "confusion_matrix",
    "domain_incremental_row",
    "forgetting",
    "format_comparison",
    "format_number",
    "format_orders",
    "format_seeds",
    "format_table",
    "group_runs",
    "human_bytes",
    "iou_per_class",
    "load_results",
    "mean_and_deviation",
    "mean_iou",
    "new_task_metric",
    "old_new_all",
    "over_orders",
    "per_class",
    "pool",
    "read_runs",
    "recall_per_class",
    "run_names",
    "summarise",
    "write_results",
]
