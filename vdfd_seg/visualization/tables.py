"""Tables of a report: measures, matrices and classes, for the page and as CSV."""

from collections.abc import Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import numpy as np

from vdfd_seg.evaluation.groups import MEASURES, Group, Pair, mean_and_deviation, most
from vdfd_seg.evaluation.readable import with_deviation
from vdfd_seg.evaluation.runs import RunFiles, Value
from vdfd_seg.utils.files import csv_text
from vdfd_seg.visualization.style import cell_colours


class Table(NamedTuple):
    """Values in percent with their deviations, for the page and as CSV.

    Attributes:
        title: What stands above it.
        corner: What the rows are.
        rows: Their names.
        columns: By name a pair of mean and deviation for each row.
    """

    title: str
    corner: str
    rows: Sequence[str]
    columns: Mapping[str, Sequence[Pair]]

    def cells(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """For each row its name, and of each cell the text and the class of its colour."""
        lines = zip(self.rows, *self.columns.values(), strict=True)
        return [(name, [_cell(*pair) for pair in pairs]) for name, *pairs in lines]

    def parts(self, most: int) -> list["Table"]:
        """Tables of about the same number of rows, ``most`` or fewer; titles where several."""
        count = -(-len(self.rows) // most)
        bounds = [len(self.rows) * part // count for part in range(count + 1)] if count else []
        return [
            self._replace(
                title=f"{start + 1} to {end} of {len(self.rows)}" if count > 1 else "",
                rows=self.rows[start:end],
                columns={name: pairs[start:end] for name, pairs in self.columns.items()},
            )
            for start, end in pairwise(bounds)
        ]

    def csv(self) -> str:
        """All digits, None as nothing; deviations in columns of their own where there are any."""
        columns: dict[str, Sequence[object]] = {self.corner: self.rows}
        for name, pairs in self.columns.items():
            columns[name], deviations = zip(*pairs, strict=True)
            if any(value is not None for value in deviations):
                columns[f"{name}, standard deviation"] = deviations
        return csv_text([columns, *zip_longest(*columns.values())])


def headline(groups: Sequence[Group], compare: bool) -> dict[str, Any]:
    """The summary: a row for each method, its best values marked where they may be compared.

    Args:
        groups: The methods.
        compare: Whether to mark the best of each column.
    """
    measures, columns = [], []
    for key, measure in MEASURES.items():
        if not any(key in run.results["summary"] for group in groups for run in group.runs):
            continue
        pairs = [group.summary(key) for group in groups]
        known = [value for value, _ in pairs if value is not None]
        # Where all are the same, none is the best.
        marked = compare and len(set(known)) > 1
        best = (max if measure.more_is_better else min)(known) if marked else None
        measures.append(measure)
        columns.append(
            [(with_deviation(*pair), pair[0] is not None and pair[0] == best) for pair in pairs]
        )
    rows = [(group, cells) for group, *cells in zip(groups, *columns)]
    return {"measures": measures, "rows": rows, "compare": compare}


def matrix_table(group: Group) -> Table:
    """The result matrix, a row for each step and a column for each task."""
    steps = range(len(group.first.matrix))
    tasks = zip(steps, task_labels(group.first), zip(*group.matrix()))
    columns = {label: list(pairs) for _, label, pairs in tasks}
    return Table(group.label, "after step", [str(step) for step in steps], columns)


def task_labels(run: RunFiles) -> list[str]:
    """Number and name of each task, as far as it has a name."""
    names = enumerate(run.task_names)
    return [name if name == str(task) else f"{task} {name}" for task, name in names]


def class_table(groups: Sequence[Group]) -> Table:
    """Values per class of every method after its last step."""
    return _of_classes("After the last step", {g.label: g.per_class() for g in groups})


def step_tables(runs: Sequence[RunFiles]) -> list[Table]:
    """Values per class of each run after every step."""
    tables = []
    for run in runs:
        steps = {f"step {step['step']}": step["per_class"] for step in run.results["steps"]}
        pairs = {s: {name: (v, None) for name, v in each.items()} for s, each in steps.items()}
        tables.append(_of_classes(run.name, pairs))
    return tables


def _of_classes(title: str, found: Mapping[str, Mapping[str, Pair]]) -> Table:
    """A row for each class that any column has."""
    classes = list(dict.fromkeys(name for values in found.values() for name in values))
    columns = {
        key: [values.get(name, (None, None)) for name in classes] for key, values in found.items()
    }
    return Table(title, "class", classes, columns)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """A confusion matrix in percent of its rows; NaN where a row has none."""
    counts = np.asarray(counts, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    return 100 * np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def lost_table(group: Group) -> Table | None:
    """What each class lost since its best step, and what its pixels are called most by mistake.

    The class that lost most comes first. None without a confusion matrix.
    """
    counts, last = group.confusion(), group.per_class()
    if counts is None:
        return None
    shares = np.nan_to_num(row_shares(counts))
    np.fill_diagonal(shares, 0)
    classes = list(last)
    found = []
    for name, row in zip(classes, shares, strict=True):
        steps = (
            [step["per_class"].get(name) for step in run.results["steps"]] for run in group.runs
        )
        best, _ = mean_and_deviation(map(most, steps))
        value, _ = last[name]
        lost = None if best is None or value is None else best - value
        taken = f"{name}, as {classes[row.argmax()]}" if row.max() > 0 else name
        found.append((taken, lost, value, row.max()))
    found.sort(key=lambda entry: -1.0 if entry[1] is None else entry[1], reverse=True)
    names, *columns = zip(*found, strict=True)
    headings = ("lost", "last", "share taken for it")
    pairs = {key: [(v, None) for v in own] for key, own in zip(headings, columns, strict=True)}
    return Table(group.label, "class, mostly taken for", list(names), pairs)


def scale_rules() -> str:
    """Style rules ``.v0`` to ``.v100``: the colours of cells on the scale of the heat map."""
    colours = ((value, *cell_colours(value)) for value in range(101))
    return "\n".join(
        f".v{value}{{background:{back};color:{text}}}" for value, back, text in colours
    )


def _cell(value: Value, deviation: Value) -> tuple[str, str]:
    """Text of a cell and the class of its colour; "" for none."""
    colour = "" if value is None else f"v{round(min(max(value, 0), 100))}"
    return with_deviation(value, deviation, 1), colour
