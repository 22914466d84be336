"""Which plots belong to a report, on its page and as files."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.functional import Matrix
from vdfd_seg.visualization.class_plots import class_bars, class_parts
from vdfd_seg.visualization.groups import Group, group_runs
from vdfd_seg.visualization.plots import forgetting_heatmap, step_curves
from vdfd_seg.visualization.runs import RunFiles, read_runs

SUFFIXES = ("png", "svg")
_SHORT = {"earlier": "earlier tasks", "newest": "newest task"}


@dataclass(frozen=True)
class Drawn:
    """A plot that can be drawn onto the page or into a file.

    Attributes:
        stem: Name of its file.
        title: What stands above it; "" where a heading says it all.
        draw: Called with ``path`` (file to write besides, or None), ``title`` (to write into the
            figure, or None); gives the SVG element.
    """

    stem: str
    title: str
    draw: Callable[..., str]


def metric_of(runs: Sequence[RunFiles]) -> str:
    """The runs' metric; several are named one after the other."""
    return " / ".join(dict.fromkeys(run.results["metric"] for run in runs))


def per_class_metric(runs: Sequence[RunFiles]) -> str:
    """What the metric is called for a single class: IoU for mIoU."""
    return metric_of(runs).replace("mIoU", "IoU")


def heatmaps(groups: Sequence[Group]) -> list[Drawn]:
    """One result matrix a method, the mean over its seeds."""
    return [
        _heatmap(group.label, group.matrix()[0], group.first.results["metric"]) for group in groups
    ]


def run_heatmaps(groups: Sequence[Group]) -> list[Drawn]:
    """The matrices of the single seeds, where there are several."""
    return [
        _heatmap(run.name, run.results["matrix"], run.results["metric"])
        for group in groups
        if len(group.runs) > 1
        for run in group.runs
    ]


def curves(groups: Sequence[Group]) -> list[Drawn]:
    """Old, new and all over the steps: of one method in one plot, of several in one plot each.

    Where classes are not split into old and new (classification, domains), the plots are of
    everything seen, of the earlier tasks (mean of ``R[i][j]``, j < i) and of the newest,
    ``R[i][i]``.
    """
    metric = metric_of([group.first for group in groups])
    kinds = [
        ("all", "all seen", lambda run: run.values("overall")),
        ("old", "old: the first task's classes", lambda run: run.values("old")),
        ("new", "new: the later tasks' classes", lambda run: run.values("new")),
    ]
    if all(value is None for group in groups for value in group.series("old")[0]):
        kinds[1:] = [
            ("earlier", "earlier tasks, their mean", lambda run: earlier(run.results["matrix"])),
            ("newest", "the newest task", lambda run: newest(run.results["matrix"])),
        ]
    found: dict[str, tuple[str, dict, dict]] = {}
    for key, title, values in kinds:
        means, deviations = {}, {}
        for group in groups:
            mean, deviation = group.of_steps(values)
            if any(value is not None for value in mean):
                means[group.label], deviations[group.label] = mean, deviation
        if means:
            found[key] = (title, means, deviations)
    if len(groups) > 1:
        return [
            Drawn(
                f"curves_{key}",
                title,
                partial(step_curves, means, metric, deviations=deviations),
            )
            for key, (title, means, deviations) in found.items()
        ]
    label = groups[0].label
    means = {_SHORT.get(key, key): means[label] for key, (_, means, _) in found.items()}
    deviations = {_SHORT.get(key, key): spread[label] for key, (_, _, spread) in found.items()}
    return [Drawn("curves", "", partial(step_curves, means, metric, deviations=deviations))]


def bars(groups: Sequence[Group]) -> list[Drawn]:
    """Values of the classes after the last step, in parts of a readable size."""
    metric = per_class_metric([group.first for group in groups])
    pairs = {group.label: group.per_class() for group in groups}
    classes = list(dict.fromkeys(name for means, _ in pairs.values() for name in means))
    drawn = []
    parts = class_parts(classes, len(groups))
    for number, part in enumerate(parts):
        means, deviations = (
            {label: {name: pair[which].get(name) for name in part} for label, pair in pairs.items()}
            for which in (0, 1)
        )
        title = f"classes {_span(classes, part)}" if len(parts) > 1 else ""
        stem = f"classes_{number + 1}" if len(parts) > 1 else "classes"
        drawn.append(Drawn(stem, title, partial(class_bars, means, metric, deviations=deviations)))
    return drawn


def write_plots(runs: Sequence[RunFiles | str | Path], folder: str | Path) -> list[Path]:
    """Write the plots of a report as files, each as PNG (200 dpi, on white) and SVG.

    Args:
        runs: Work dirs (or loaded runs), one or several.
        folder: Where the files go; made if it is not there.

    Returns:
        The files: ``heatmap_RUN``, ``curves_KIND`` and ``classes_N``, as far as there are values.

    Raises:
        InputError: If results cannot be used or ``folder`` is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the plots need a folder")
    groups = group_runs(read_runs(runs))
    written, stems = [], set()
    for drawn in [*heatmaps(groups), *run_heatmaps(groups), *curves(groups), *bars(groups)]:
        stem, number = drawn.stem, 2
        # Systems that do not tell capitals apart would write one over the other.
        while stem.lower() in stems:
            stem, number = f"{drawn.stem}_{number}", number + 1
        stems.add(stem.lower())
        for suffix in SUFFIXES:
            path = folder / f"{stem}.{suffix}"
            drawn.draw(path=path, title=drawn.title or None)
            written.append(path)
    return written


def _heatmap(name: str, matrix: Matrix, metric: str) -> Drawn:
    stem = re.sub(r"[^\w+-]+", "_", name).strip("_")
    return Drawn(f"heatmap_{stem}", name, partial(forgetting_heatmap, matrix, metric))


def earlier(matrix: Matrix) -> list[float | None]:
    """After step i the mean of ``R[i][j]`` over the tasks j < i; None after the first step."""
    means = []
    for step, row in enumerate(matrix):
        known = [value for value in row[:step] if value is not None]
        means.append(sum(known) / len(known) if known else None)
    return means


def newest(matrix: Matrix) -> list[float | None]:
    """After step i ``R[i][i]``: how well the task just trained was learned."""
    return [row[step] for step, row in enumerate(matrix)]


def _span(classes: list[str], part: list[str]) -> str:
    first = classes.index(part[0]) + 1
    return f"{first} to {first + len(part) - 1} of {len(classes)}"
