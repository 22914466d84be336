"""Tables of a report: measures, costs, matrices and classes, as text ready for the page."""

from collections.abc import Sequence
from typing import Any

from vdfd_seg.evaluation.groups import MEASURES, Group
from vdfd_seg.evaluation.readable import with_deviation
from vdfd_seg.evaluation.runs import RunFiles, Value
from vdfd_seg.visualization.style import cell_colours


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
        told = compare and len(set(known)) > 1
        best = (max if measure.more_is_better else min)(known) if told else None
        measures.append(measure)
        columns.append(
            [(with_deviation(*pair), pair[0] is not None and pair[0] == best) for pair in pairs]
        )
    rows = [(group, cells) for group, *cells in zip(groups, *columns)]
    return {"measures": measures, "rows": rows, "compare": compare}


def matrix_table(group: Group) -> dict[str, Any]:
    """The result matrix in numbers, a row for each step."""
    tasks = range(len(group.first.matrix))
    rows = [
        (f"step {step}", [_cell(*pair) for _, *pair in zip(tasks, means, deviations)])
        for step, (means, deviations) in enumerate(zip(*group.matrix()))
    ]
    return _table(group.label, [f"task {task}" for task in tasks], rows, "after")


def class_table(groups: Sequence[Group]) -> dict[str, Any] | None:
    """Values per class of every method after its last step; None for a single run."""
    if len(groups) == 1 and len(groups[0].runs) == 1:
        return None
    pairs = {group.label: group.per_class() for group in groups}
    rows = [
        (name, [_cell(means.get(name), spread.get(name)) for means, spread in pairs.values()])
        for name in dict.fromkeys(name for means, _ in pairs.values() for name in means)
    ]
    return _table("After the last step", list(pairs), rows)


def step_tables(runs: Sequence[RunFiles]) -> list[dict[str, Any]]:
    """Values per class of each run after every step."""
    tables = []
    for run in runs:
        columns = {f"step {step['step']}": step["per_class"] for step in run.results["steps"]}
        names = dict.fromkeys(name for column in columns.values() for name in column)
        rows = [(name, [_cell(column.get(name)) for column in columns.values()]) for name in names]
        tables.append(_table(run.name, list(columns), rows))
    return tables


def scale_rules() -> str:
    """Style rules ``.v0`` to ``.v100``: the colours of cells on the scale of the heat map."""
    colours = ((value, *cell_colours(value)) for value in range(101))
    return "\n".join(
        f".v{value}{{background:{back};color:{text}}}" for value, back, text in colours
    )


def _table(title, columns, rows, corner="class"):
    return {"title": title, "corner": corner, "columns": columns, "rows": rows}


def _cell(value: Value, deviation: Value = None) -> tuple[str, str]:
    """Text of a cell and the class of its colour; "" for none."""
    colour = "" if value is None else f"v{round(min(max(value, 0), 100))}"
    return with_deviation(value, deviation, 1), colour
