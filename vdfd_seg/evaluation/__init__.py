"""Metrics of continual learning, ``results.json`` and its tables."""

from vdfd_seg.evaluation.functional import confusion_matrix, pool
from vdfd_seg.evaluation.results_file import load_results, write_results
from vdfd_seg.evaluation.runs import RunFiles, load_runs, read_runs, with_intransigence
from vdfd_seg.evaluation.table import format_comparison, format_table

__all__ = [
    "RunFiles",
    "confusion_matrix",
    "format_comparison",
    "format_table",
    "load_results",
    "load_runs",
    "pool",
    "read_runs",
    "with_intransigence",
    "write_results",
]
