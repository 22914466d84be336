"""Metrics of continual learning, ``results.json`` and its tables."""

from vdfd_seg.evaluation.files import load_results, write_results
from vdfd_seg.evaluation.functional import confusion_matrix
from vdfd_seg.evaluation.results import pool, with_intransigence
from vdfd_seg.evaluation.runs import RunFiles, read_runs, run_names
from vdfd_seg.evaluation.table import format_comparison, format_table

__all__ = [
    "RunFiles",
    "confusion_matrix",
    "format_comparison",
    "format_table",
    "load_results",
    "pool",
    "read_runs",
    "run_names",
    "with_intransigence",
    "write_results",
]
