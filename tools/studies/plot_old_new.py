"""Old against new classes after the last step, a point a run, a panel a benchmark.

    python tools/studies/plot_old_new.py OUT.png TITLE=WORK_DIR[,WORK_DIR...] ...

A work dir may hold runs of several methods and seeds; a method's points have one colour.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from vdfd_seg.evaluation import load_results


def main(argv=None) -> int:
    """Write the picture."""
    out, *panels = argv or sys.argv[1:]
    figure, axes = plt.subplots(1, len(panels), figsize=(4.2 * len(panels), 4), squeeze=False)
    colours: dict = {}
    for axis, panel in zip(axes[0], panels, strict=True):
        title, _, folders = panel.partition("=")
        for folder in folders.split(","):
            for path in sorted(Path(folder).rglob("results.json")):
                results = load_results(path.parent)
                if len(results["steps"]) < len(results["protocol"]["tasks"]):
                    continue
                method, summary = results["method"], results["summary"]
                # Ten colours, then the same with another mark.
                number = len(colours)
                colours.setdefault(method, {"color": f"C{number}", "marker": "o^s"[number // 10]})
                axis.scatter(summary["old"], summary["new"], s=36, label=method, **colours[method])
        axis.set(title=title, xlabel="old classes, mIoU", ylabel="new classes, mIoU")
        axis.margins(0.15)
        axis.set_xlim(left=0)
        axis.set_ylim(bottom=0)
        known = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
        axis.legend(known.values(), known.keys(), fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
