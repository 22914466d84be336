"""Old against new classes after the last step, a point a seed, a panel a benchmark.

    python tools/studies/plot_old_new.py OUT.png TITLE=WORK_DIR[,WORK_DIR...] ...

A work dir may hold runs of several methods and seeds; a method has a colour and a mark.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from vdfd_seg.evaluation import load_results

MARKS = "os^Dv<>Pp*Xhd"


def main(argv=None) -> int:
    """Write the picture."""
    out, *panels = argv or sys.argv[1:]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4.6), squeeze=False)
    points: dict = {}
    for axis, panel in zip(axes[0], panels, strict=True):
        title, _, folders = panel.partition("=")
        for folder in folders.split(","):
            for path in sorted(Path(folder).rglob("results.json")):
                results = load_results(path.parent)
                if len(results["steps"]) < len(results["protocol"]["tasks"]):
                    continue
                method, summary = results["method"].removesuffix(" + UNCE"), results["summary"]
                number = len(points)
                points.setdefault(
                    method, {"color": f"C{number % 10}", "marker": MARKS[number % len(MARKS)]}
                )
                axis.scatter(summary["old"], summary["new"], s=40, label=method, **points[method])
        axis.set(title=title, xlabel="old classes, mIoU", ylabel="new classes, mIoU")
        axis.margins(0.15)
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
    known: dict = {}
    for axis in axes[0]:
        known.update(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.legend(known.values(), known.keys(), loc="lower center", ncols=8, frameon=False)
    figure.savefig(out, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
