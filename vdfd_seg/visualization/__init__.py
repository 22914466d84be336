"""Overlays, plots and the report of continual-learning runs."""

from vdfd_seg.visualization.figures import write_plots
from vdfd_seg.visualization.heatmaps import confusion_heatmap, forgetting_heatmap
from vdfd_seg.visualization.montage import write_montage
from vdfd_seg.visualization.overlay import colourise, default_palette, legend, overlay
from vdfd_seg.visualization.plots import class_bars, order_spread, step_curves
from vdfd_seg.visualization.report import write_report
from vdfd_seg.visualization.samples import Sample, collect_samples

__all__ = [
    "Sample",
    "class_bars",
    "collect_samples",
    "colourise",
    "confusion_heatmap",
    "default_palette",
    "forgetting_heatmap",
    "legend",
    "order_spread",
    "overlay",
    "step_curves",
    "write_montage",
    "write_plots",
    "write_report",
]
