"""Results as plain-text tables for a terminal: of single runs, over seeds and over orders."""

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vdfd_seg.evaluation.groups import FURTHER, MEASURES, Group, group_runs
from vdfd_seg.evaluation.orders import MethodOverOrders, over_orders
from vdfd_seg.evaluation.readable import format_number, human_bytes, with_deviation
from vdfd_seg.evaluation.runs import RunFiles, load_runs, protocol_marks, read_runs

_MEMORY = ("carried", "held", "peak")
_NARROW, _WIDE = 110, 160


def format_table(runs: Sequence[RunFiles | Mapping | str | Path]) -> str:
    """Runs side by side: the result matrix by step, the summaries, and what the runs cost.

    Runs of different protocols or metrics are marked with a letter, explained below the tables.

    Args:
        runs: Results, work dirs or loaded runs, see :func:`~vdfd_seg.evaluation.read_runs`.

    Returns:
        Plain ASCII text (names aside) of 110 columns, ending in a newline.
    """
    named = read_runs(runs)
    marks, notes = protocol_marks(named)
    groups = [Group(run.name, (run,), mark) for run, mark in zip(named, marks, strict=True)]
    # A run of classification has neither old nor new: no empty columns for it.
    split = ["old", "new"] if any("old" in run.results["summary"] for run in named) else []
    headings = ("Run", "Step", "R[i][0] .. R[i][i]", *map(str.title, split), "All")
    parts = [
        [_step(group, step, split) for step in group.first.results["steps"]] for group in groups
    ]
    steps = _table("Every task seen, after every step (percent)", headings, *parts)
    steps.columns[2].justify, steps.columns[2].ratio, steps.columns[2].no_wrap = "left", 1, False
    keys = [*split, "overall", "acc", "bwt", "forgetting", "avg_incremental"]
    rows = [[group.label, group.done, *_measures(group, keys)] for group in groups]
    summary = _table("After the last step", ("Run", "Steps", *_headings(keys)), rows)
    costs = _costs("Memory and time", "Run", groups, ("parameters", *_MEMORY, "time"))
    known = _known(FURTHER, groups)
    rows = [[group.label, *_measures(group, known)] for group in groups]
    further = [_table("Further measures", ("Run", *_headings(known)), rows)] if known else []
    return _render([steps, summary, *further, costs], notes, _NARROW)


def format_comparison(runs: Sequence[RunFiles | Mapping | str | Path]) -> str:
    """Each method's measures over its seeds, and its cost; below them those over orders.

    Mean ± sample standard deviation; the second part is left out where there is one order only.

    Args:
        runs: Results, work dirs or loaded runs; what belongs together: see
            :func:`~vdfd_seg.evaluation.groups.group_runs` and
            :func:`~vdfd_seg.evaluation.orders.over_orders`.
    """
    loaded = load_runs(runs)
    groups = group_runs(loaded)
    tables = []
    for keys in _split(_known(MEASURES, groups)):
        rows = [[group.label, str(len(group.runs)), *_measures(group, keys)] for group in groups]
        tables.append(_table(None, ("Method", "Seeds", *_headings(keys)), rows))
    costs = _costs(None, "Method", groups, (*_MEMORY, "s/iter"))
    text = _render([*tables, costs], protocol_marks(loaded)[1], _WIDE)
    sets = over_orders(loaded)
    return f"{text}\n{_over_orders(sets)}" if sets else text


def _over_orders(sets: list[list[MethodOverOrders]]) -> str:
    def cells(method: MethodOverOrders, keys: Iterable[str]) -> list[str]:
        orders = str(len(method.orders)) + (f" (+{method.left_out})" if method.left_out else "")
        carried = human_bytes(max(group.carried or 0 for group in method.orders))
        return [method.name, orders, *_measures(method, keys), carried]

    methods = [method for each in sets for method in each]
    tables = [
        _table(
            "Over the orders (each the mean of its seeds)",
            ("Method", "Orders", *_headings(keys), "Carried"),
            *([cells(method, keys) for method in each] for each in sets),
        )
        for keys in _split(_known(MEASURES, methods))
    ]
    left_out = any(method.left_out for method in methods)
    note = "(+N): orders that not every method has finished, and that are left out.\n"
    return _render(tables, {}, _WIDE) + (note if left_out else "")


def _step(group: Group, step: dict[str, Any], split: list[str]) -> list[str]:
    number = step["step"]
    tasks = group.first.matrix[number][: number + 1]
    row = " ".join(format_number(value, 1) for value in tasks)
    return [group.label, str(number), row,
            *(format_number(step.get(key)) for key in (*split, "overall"))]  # fmt: skip


def _known(keys: Iterable[str], groups: Sequence[Group | MethodOverOrders]) -> list[str]:
    return [key for key in keys if any(group.summary(key)[0] is not None for group in groups)]


def _split(keys: Sequence[str]) -> list[list[str]]:
    """Keys in parts that fit the width of a terminal with their deviations."""
    parts = [[k for k in keys if (k in FURTHER) == further] for further in (False, True)]
    return [part for part in parts if part]


def _headings(keys: Iterable[str]) -> list[str]:
    return [MEASURES[key].heading for key in keys]


def _measures(group: Group | MethodOverOrders, keys: Iterable[str]) -> list[str]:
    return [with_deviation(*group.summary(key)) for key in keys]


def _costs(title: str | None, name: str, groups: Sequence[Group], keys: Sequence[str]) -> Table:
    costs = [group.costs() for group in groups]
    rows = [[group.label, *(cost[k] for k in keys)] for group, cost in zip(groups, costs)]
    headings = [key.capitalize() if key.isalpha() else key for key in keys]
    return _table(title, (name, *headings), rows)


def _table(title: str | None, headings: Sequence[str], *parts: Sequence[Sequence[str]]) -> Table:
    """Rows in parts with a line between them; numbers at the right."""
    table = Table(title=title, title_justify="left", box=box.ASCII2, title_style="")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    name = table.columns[0]
    name.justify, name.overflow, name.no_wrap = "left", "fold", headings[0] == "Method"
    name.max_width = 24 if headings[0] == "Run" else None
    for rows in parts:
        for row in rows:
            table.add_row(*row)
        table.add_section()
    return table


def _render(tables: Sequence[Table], notes: dict[str, str], width: int) -> str:
    """Tables as plain text, followed by what the marks of :func:`protocol_marks` stand for."""
    text = io.StringIO()
    console = Console(
        file=text, width=width, color_system=None, force_terminal=False, emoji=False, markup=False
    )
    for table in tables:
        console.print(table)
    if notes:
        console.print(
            "NOT COMPARABLE across marks: different protocols, metrics or steps finished."
        )
        for mark, note in notes.items():
            console.print(f"[{mark}] {note}")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"
