"""Overlays, plots and the report of continual-learning runs."""

from vdfd_seg.visualization.figures import write_plots
from vdfd_seg.visualization.montage import write_montage
from vdfd_seg.visualization.overlay import colourise, legend, overlay
from vdfd_seg.visualization.plots import heatmap, marks, step_curves
from vdfd_seg.visualization.report import write_report
from vdfd_seg.visualization.samples import Sample, collect_samples

__all__ = [
    "Sample",
    "collect_samples",
    "colourise",
    "heatmap",
    "legend",
    "marks",
    "overlay",
    "step_curves",
    "write_montage",
    "write_plots",
    "write_report",
]
