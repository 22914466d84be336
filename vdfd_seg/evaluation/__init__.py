"""Metrics of continual learning, ``results.json`` and its tables."""

from vdfd_seg.evaluation.comparison import format_comparison, format_orders, over_orders
from vdfd_seg.evaluation.files import check_results, load_results, write_results
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
from vdfd_seg.evaluation.metrics import ContinualIoU
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
from vdfd_seg.evaluation.seeds import format_seeds, over_seeds
from vdfd_seg.evaluation.table import (
    describe_protocol,
    format_number,
    format_table,
    human_bytes,
    human_seconds,
    protocol_marks,
    run_names,
    total_seconds,
)

__all__ = [
    "ContinualIoU",
    "accuracy",
    "accuracy_row",
    "average_accuracy",
    "average_incremental",
    "backward_transfer",
    "check_results",
    "class_incremental_row",
    "confusion_matrix",
    "describe_protocol",
    "domain_incremental_row",
    "forgetting",
    "format_comparison",
    "format_number",
    "format_orders",
    "format_seeds",
    "format_table",
    "human_bytes",
    "human_seconds",
    "iou_per_class",
    "load_results",
    "mean_iou",
    "new_task_metric",
    "old_new_all",
    "over_orders",
    "over_seeds",
    "per_class",
    "pool",
    "protocol_marks",
    "recall_per_class",
    "run_names",
    "summarise",
    "total_seconds",
    "write_results",
]
