"""Overlays, plots and the report of continual-learning runs."""

from vdfd_seg.visualization.figures import write_plots
from vdfd_seg.visualization.overlay import colourise, legend, overlay
from vdfd_seg.visualization.report import write_report
from vdfd_seg.visualization.samples import write_montage

__all__ = [
    "colourise",
    "legend",
    "overlay",
    "write_montage",
    "write_plots",
    "write_report",
]
