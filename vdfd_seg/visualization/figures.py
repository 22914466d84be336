"""Which plots belong to a report, on its page and as files, with the data behind them."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.groups import Group, Pair, group_runs
from vdfd_seg.evaluation.measures import Matrix
from vdfd_seg.evaluation.orders import over_orders
from vdfd_seg.evaluation.runs import RunFiles, Value, read_runs
from vdfd_seg.utils.files import atomic_write_text
from vdfd_seg.visualization.plots import COLUMNS, heatmap, marks, most_rows, step_curves
from vdfd_seg.visualization.style import Plot
from vdfd_seg.visualization.tables import (
    Table,
    class_table,
    matrix_table,
    row_shares,
    task_labels,
)


def metric_of(runs: Sequence[RunFiles]) -> str:
    """The runs' metric; several are named one after the other."""
    return " / ".join(dict.fromkeys(run.results["metric"] for run in runs))


def heatmaps(groups: Sequence[Group]) -> list[Plot]:
    """One result matrix a method, the mean over its seeds."""
    plots = []
    for group in groups:
        table = matrix_table(group)
        means = [[mean for mean, _ in pairs] for pairs in table.columns.values()]
        values = np.array(means, dtype=np.float64).T
        draw = partial(heatmap, values, [*table.columns], table.rows, ("task", "after step"))
        description = f"{group.label}: {group.first.results['metric']} per task and step"
        plots.append(Plot(draw, description, group.label, _stem("heatmap", group), table.csv()))
    return plots


def run_heatmaps(groups: Sequence[Group]) -> list[Plot]:
    """The matrices of the single seeds, where there are several."""
    several = [group for group in groups if len(group.runs) > 1]
    return heatmaps([Group(run.name, (run,)) for group in several for run in group.runs])


def confusions(groups: Sequence[Group]) -> list[Plot]:
    """The confusion matrix of each method after its last step, where the results have it."""
    plots = []
    for group in groups:
        counts, run = group.confusion(), group.first
        if counts is not None:
            steps, labels = run.results["steps"], task_labels(run)
            new = np.diff([len(step["per_class"]) for step in steps], prepend=0)
            blocks = {labels[step["step"]]: int(n) for step, n in zip(steps, new) if n}
            stem = _stem("confusion", group)
            classes = list(run.last["per_class"])
            plots.append(confusion(counts, classes, group.label, stem, blocks))
    return plots


def confusion(
    counts: np.ndarray,
    classes: Sequence[str],
    title: str,
    stem: str = "confusion",
    blocks: Mapping[str, int] | None = None,
) -> Plot:
    """A confusion matrix: of each true class the share predicted as each class.

    Args:
        counts: ``(C, C)``, rows are true classes. A row without any stays empty.
        classes: The ``C`` names.
        title, stem: As in :class:`Plot`.
        blocks: Names of tasks and how many classes each has, where classes have no room for names.
    """
    axes = ("predicted class", "true class")
    # Shares that round to 0 stand for themselves.
    draw = partial(heatmap, row_shares(counts), classes, classes, axes, 0.5, blocks)
    columns = {name: [(n, None) for n in column] for name, column in zip(classes, counts.T)}
    data = Table(title, "true class", classes, columns).csv()
    description = f"{title}: share of each true class by predicted class"
    return Plot(draw, description, title, stem, data)


def curves(groups: Sequence[Group]) -> list[Plot]:
    """Old, new and all over the steps: of one method in one panel, of several in one panel each.

    Where classes are not split into old and new (classification, domains), the curves are of
    everything seen, of the earlier tasks (mean of ``R[i][j]``, j < i) and of the newest,
    ``R[i][i]``.
    """
    metric = metric_of([group.first for group in groups])
    split = any(v is not None for group in groups for run in group.runs for v in run.values("old"))
    kinds: dict[str, Callable[[RunFiles], list[Value]]] = {
        "all: everything learned so far": lambda run: run.values("overall")
    }
    if split:
        kinds["old: classes of the first task"] = lambda run: run.values("old")
        kinds["new: classes of later tasks"] = lambda run: run.values("new")
    else:
        kinds["mean of the earlier tasks"] = lambda run: earlier(run.matrix)
        kinds["the newest task"] = lambda run: [row[i] for i, row in enumerate(run.matrix)]
    panels: dict[str, dict[str, list[Pair]]] = {}
    for kind, values in kinds.items():
        for group in groups:
            pairs = group.of_steps(values)
            if any(mean is not None for mean, _ in pairs):
                panels.setdefault(kind, {})[group.label] = pairs
    columns = {
        f"{name}, {kind}": pairs for kind, each in panels.items() for name, pairs in each.items()
    }
    if not columns:
        return []
    if len(groups) == 1:
        panels = {"": {kind: pairs for kind, each in panels.items() for pairs in each.values()}}
    steps = [str(step) for step in range(max(map(len, columns.values())))]
    data = Table("", "after step", steps, columns).csv()
    draw = partial(step_curves, panels, metric)
    return [Plot(draw, f"{metric} over the steps", "", "curves", data)]


def class_values(groups: Sequence[Group]) -> list[Plot]:
    """Values of the classes after the last step, in parts of a readable size."""
    plots, metric = [], metric_of([group.first for group in groups]).replace("mIoU", "IoU")
    for part in class_table(groups).parts(COLUMNS * most_rows(len(groups))):
        title = f"classes {part.title}" if part.title else ""
        draw = partial(marks, part, metric)
        plots.append(Plot(draw, f"{metric} of {title or 'classes'}", title, "classes", part.csv()))
    return plots


def orders(runs: Sequence[RunFiles]) -> list[Plot]:
    """What each method has after the last step in every order; nothing where there is one order."""
    plots, metric = [], metric_of(runs)
    sets = over_orders(runs)
    for number, methods in enumerate(sets, 1):
        names = [f"order {order}" for order in range(1, len(methods[0].orders) + 1)]
        columns = {
            each.name: [*((v, None) for v in each.values("overall")), each.summary("overall")]
            for each in methods
        }
        title = f"protocol {number} of {len(sets)}" if len(sets) > 1 else ""
        table = Table(title, "order", [*names, "mean"], columns)
        draw = partial(marks, table, metric)
        plots.append(Plot(draw, f"{metric} of every order", title, "orders", table.csv()))
    return plots


def _stem(kind: str, group: Group) -> str:
    return f"{kind}_" + re.sub(r"[^\w+-]+", "_", group.label).strip("_")


def write_plots(runs: Sequence[RunFiles | str | Path], folder: str | Path) -> list[Path]:
    """Write the plots of a report as files: PNG (200 dpi, on white), SVG, and the data as CSV.

    Args:
        runs: Work dirs (or loaded runs), one or several.
        folder: Where the files go; made if it is not there.

    Returns:
        The files: ``heatmap_RUN``, ``confusion_RUN``, ``curves``, ``classes`` and ``orders``, as
        far as there are values.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; the plots need a folder")
    loaded = read_runs(runs)
    groups = group_runs(loaded)
    written, stems = [], set()
    plots = [*heatmaps(groups), *run_heatmaps(groups), *curves(groups), *class_values(groups)]
    for plot in [*plots, *confusions(groups), *orders(loaded)]:
        stem, number = plot.stem, 2
        # Systems that do not tell capitals apart would write one over the other.
        while stem.lower() in stems:
            stem, number = f"{plot.stem}_{number}", number + 1
        stems.add(stem.lower())
        files = [folder / f"{stem}.{kind}" for kind in ("png", "svg", "csv")]
        for path in files[:2]:
            plot.save(path)
        atomic_write_text(files[2], plot.data)
        written += files
    return written


def earlier(matrix: Matrix) -> list[Value]:
    """After step i the mean of ``R[i][j]`` over the tasks j < i; None after the first step."""
    known = [[v for v in row[:step] if v is not None] for step, row in enumerate(matrix)]
    return [sum(values) / len(values) if values else None for values in known]
