"""Overlays, plots and the report of continual-learning runs."""

from vdfd_seg.visualization.class_plots import class_bars
from vdfd_seg.visualization.figures import write_plots
from vdfd_seg.visualization.overlay import colourise, default_palette, legend, overlay
from vdfd_seg.visualization.plots import forgetting_heatmap, step_curves
from vdfd_seg.visualization.report import write_report
from vdfd_seg.visualization.runs import RunFiles, read_runs
from vdfd_seg.visualization.samples import Sample, collect_samples

__all__ = [
    "RunFiles",
    "Sample",
    "class_bars",
    "collect_samples",
    "colourise",
    "default_palette",
    "forgetting_heatmap",
    "legend",
    "overlay",
    "read_runs",
    "step_curves",
    "write_plots",
    "write_report",
]
