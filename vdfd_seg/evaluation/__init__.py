"""Metrics of continual learning, ``results.json`` and its tables."""

from vdfd_seg.evaluation.files import load_results, write_results
from vdfd_seg.evaluation.functional import (
    accuracy,
    confusion_matrix,
    iou_per_class,
    mean_accuracy,
    mean_iou,
)
from vdfd_seg.evaluation.groups import group_runs, mean_and_deviation
from vdfd_seg.evaluation.measures import (
    average_accuracy,
    average_incremental,
    backward_transfer,
    forgetting,
    forward_transfer,
    intransigence,
    new_task_metric,
)
from vdfd_seg.evaluation.metrics import ContinualIoU
from vdfd_seg.evaluation.orders import over_orders
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
    with_intransigence,
)
from vdfd_seg.evaluation.runs import RunFiles, read_runs, run_names
from vdfd_seg.evaluation.table import (
    format_comparison,
    format_orders,
    format_seeds,
    format_table,
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
    "forward_transfer",
    "group_runs",
    "human_bytes",
    "intransigence",
    "iou_per_class",
    "load_results",
    "mean_accuracy",
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
    "with_intransigence",
    "write_results",
]
