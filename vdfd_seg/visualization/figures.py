"""Which plots belong to a report, on its page and as files."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.groups import Group, group_runs
from vdfd_seg.evaluation.measures import Matrix
from vdfd_seg.evaluation.orders import over_orders
from vdfd_seg.evaluation.runs import RunFiles, Value, read_runs
from vdfd_seg.visualization.heatmaps import forgetting_heatmap
from vdfd_seg.visualization.plots import class_bars, class_parts, order_spread, step_curves


class Drawn(NamedTuple):
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
    drawn = []
    for group in groups:
        stem = re.sub(r"[^\w+-]+", "_", group.label).strip("_")
        draw = partial(forgetting_heatmap, group.matrix()[0], group.first.results["metric"])
        drawn.append(Drawn(f"heatmap_{stem}", group.label, draw))
    return drawn


def run_heatmaps(groups: Sequence[Group]) -> list[Drawn]:
    """The matrices of the single seeds, where there are several."""
    several = [group for group in groups if len(group.runs) > 1]
    return heatmaps([Group(run.name, (run,)) for group in several for run in group.runs])


def curves(groups: Sequence[Group]) -> list[Drawn]:
    """Old, new and all over the steps: of one method in one plot, of several in one plot each.

    Where classes are not split into old and new (classification, domains), the plots are of
    everything seen, of the earlier tasks (mean of ``R[i][j]``, j < i) and of the newest,
    ``R[i][i]``.
    """
    metric = metric_of([group.first for group in groups])
    split = any(v is not None for group in groups for run in group.runs for v in run.values("old"))
    # Name in a plot of all; title of a plot of its own; values.
    kinds: list[tuple[str, str, Callable[[RunFiles], list[Value]]]] = [
        ("all", "all seen", lambda run: run.values("overall"))
    ]
    if split:
        kinds += [
            ("old", "old: the first task's classes", lambda run: run.values("old")),
            ("new", "new: the later tasks' classes", lambda run: run.values("new")),
        ]
    else:
        kinds += [
            ("earlier tasks", "mean of the earlier tasks", lambda run: earlier(run.matrix)),
            ("newest task", "the newest task", lambda run: newest(run.matrix)),
        ]
    drawn, of_one = [], {}
    for name, title, values in kinds:
        pairs = {group.label: group.of_steps(values) for group in groups}
        pairs = {key: pair for key, pair in pairs.items() if any(v is not None for v in pair[0])}
        if pairs:
            drawn.append(Drawn(f"curves_{name.split()[0]}", title, _curves(pairs, metric)))
            of_one[name] = next(iter(pairs.values()))
    return drawn if len(groups) > 1 else [Drawn("curves", "", _curves(of_one, metric))]


def _curves(pairs: dict[str, tuple[list[Value], list[Value]]], metric: str) -> Callable[..., str]:
    means, deviations = ({name: pair[i] for name, pair in pairs.items()} for i in (0, 1))
    return partial(step_curves, means, metric, deviations=deviations)


def bars(groups: Sequence[Group]) -> list[Drawn]:
    """Values of the classes after the last step, in parts of a readable size."""
    metric = per_class_metric([group.first for group in groups])
    pairs = {group.label: group.per_class() for group in groups}
    classes = list(dict.fromkeys(name for means, _ in pairs.values() for name in means))
    drawn, first = [], 1
    parts = class_parts(classes, len(groups))
    for number, part in enumerate(parts, 1):
        means, deviations = (
            {label: {name: pair[which].get(name) for name in part} for label, pair in pairs.items()}
            for which in (0, 1)
        )
        title = f"classes {first} to {first + len(part) - 1} of {len(classes)}"
        first += len(part)
        stem, title = (f"classes_{number}", title) if len(parts) > 1 else ("classes", "")
        drawn.append(Drawn(stem, title, partial(class_bars, means, metric, deviations=deviations)))
    return drawn


def orders(runs: Sequence[RunFiles]) -> list[Drawn]:
    """What each method has after the last step in every order; nothing where there is one order."""
    drawn = []
    sets = over_orders([run.results for run in runs])
    for number, rows in enumerate(sets, 1):
        values = {row["method"]: row["values"]["overall"] for row in rows}
        title = f"protocol {number} of {len(sets)}" if len(sets) > 1 else ""
        draw = partial(order_spread, values, metric_of(runs))
        drawn.append(Drawn(f"orders_{number}" if title else "orders", title, draw))
    return drawn


def write_plots(runs: Sequence[RunFiles | str | Path], folder: str | Path) -> list[Path]:
    """Write the plots of a report as files, each as PNG (200 dpi, on white) and SVG.

    Args:
        runs: Work dirs (or loaded runs), one or several.
        folder: Where the files go; made if it is not there.

    Returns:
        The files: ``heatmap_RUN``, ``curves_KIND``, ``classes_N`` and ``orders``, as far as there
        are values.

    Raises:
        InputError: If results cannot be used or ``folder`` is a file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the plots need a folder")
    loaded = read_runs(runs)
    groups = group_runs(loaded)
    written, stems = [], set()
    plots = [*heatmaps(groups), *run_heatmaps(groups), *curves(groups), *bars(groups)]
    for drawn in [*plots, *orders(loaded)]:
        stem, number = drawn.stem, 2
        # Systems that do not tell capitals apart would write one over the other.
        while stem.lower() in stems:
            stem, number = f"{drawn.stem}_{number}", number + 1
        stems.add(stem.lower())
        for path in (folder / f"{stem}.png", folder / f"{stem}.svg"):
            drawn.draw(path=path, title=drawn.title or None)
            written.append(path)
    return written


def earlier(matrix: Matrix) -> list[Value]:
    """After step i the mean of ``R[i][j]`` over the tasks j < i; None after the first step."""
    known = [[v for v in row[:step] if v is not None] for step, row in enumerate(matrix)]
    return [sum(values) / len(values) if values else None for values in known]


def newest(matrix: Matrix) -> list[Value]:
    """After step i ``R[i][i]``: how well the task just trained was learned."""
    return [row[step] for step, row in enumerate(matrix)]
