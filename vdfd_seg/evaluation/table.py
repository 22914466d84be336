"""Results as plain-text tables for a terminal: of single runs, over seeds and over orders."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.groups import FURTHER, MEASURES, Group, group_runs
from vdfd_seg.evaluation.orders import over_orders
from vdfd_seg.evaluation.readable import format_number, human_bytes, with_deviation
from vdfd_seg.evaluation.runs import RunFiles, protocol_marks, run_names

_MEMORY = ("carried", "held", "peak")
_NARROW, _WIDE = 110, 160


def format_table(results: Sequence[dict[str, Any]], names: Sequence[str] | None = None) -> str:
    """Runs side by side: the result matrix by step, the summaries, and what the runs cost.

    Runs of different protocols or metrics are marked with a letter, explained below the tables.

    Args:
        results: Results as read by :func:`~vdfd_seg.evaluation.load_results`.
        names: Names of the runs. Default: their methods, made unique.

    Returns:
        Plain ASCII text (names aside) of 110 columns, ending in a newline.
    """
    if not results:
        raise InputError("no results to put into a table")
    names = run_names(results) if names is None else list(names)
    if len(names) != len(results):
        raise InputError(f"{len(names)} names for {len(results)} results")
    marks, notes = protocol_marks(results)
    groups = [
        Group(name, (RunFiles(Path(), run, name),), mark)
        for name, run, mark in zip(names, results, marks, strict=True)
    ]
    # A run of classification has neither old nor new: no empty columns for it.
    split = ["old", "new"] if any("old" in run["summary"] for run in results) else []
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


def format_comparison(
    results: Sequence[dict[str, Any]], folders: Sequence[str | Path] | None = None
) -> str:
    """Each method's measures over its seeds, and its cost; below them those over orders.

    Mean ± sample standard deviation; the second part is left out where there is one order only.

    Args:
        results: Contents of ``results.json`` files; what belongs together: see
            :func:`~vdfd_seg.evaluation.groups.group_runs` and
            :func:`~vdfd_seg.evaluation.orders.over_orders`.
        folders: Their work dirs.
    """
    places = folders or [""] * len(results)
    groups = group_runs([RunFiles(Path(f), run) for run, f in zip(results, places)])
    tables = []
    for keys in _split(_known(MEASURES, groups)):
        rows = [[group.label, str(len(group.runs)), *_measures(group, keys)] for group in groups]
        tables.append(_table(None, ("Method", "Seeds", *_headings(keys)), rows))
    costs = _costs(None, "Method", groups, (*_MEMORY, "s/iter"))
    text = _render([*tables, costs], protocol_marks(results)[1], _WIDE)
    sets = over_orders(results)
    return f"{text}\n{_over_orders(sets)}" if sets else text


def _over_orders(sets: list[list[dict[str, Any]]]) -> str:
    known = [key for key in MEASURES if any(row[key][0] is not None for s in sets for row in s)]

    def cells(row: dict[str, Any], keys: Iterable[str]) -> list[str]:
        orders = str(row["orders"]) + (f" (+{row['left_out']})" if row["left_out"] else "")
        measures = [with_deviation(*row[key]) for key in keys]
        return [row["method"], orders, *measures, human_bytes(row["carried"])]

    tables = [
        _table(
            "Over the orders (each the mean of its seeds)",
            ("Method", "Orders", *_headings(keys), "Carried"),
            *([cells(row, keys) for row in rows] for rows in sets),
        )
        for keys in _split(known)
    ]
    left_out = any(row["left_out"] for rows in sets for row in rows)
    note = "(+N): orders that not every method has finished, and that are left out.\n"
    return _render(tables, {}, _WIDE) + (note if left_out else "")


def _step(group: Group, step: dict[str, Any], split: list[str]) -> list[str]:
    number = step["step"]
    tasks = group.first.matrix[number][: number + 1]
    row = " ".join(format_number(value, 1) for value in tasks)
    return [group.label, str(number), row,
            *(format_number(step.get(key)) for key in (*split, "overall"))]  # fmt: skip


def _known(keys: Iterable[str], groups: Sequence[Group]) -> list[str]:
    return [key for key in keys if any(group.summary(key)[0] is not None for group in groups)]


def _split(keys: Sequence[str]) -> list[list[str]]:
    """Keys in parts that fit the width of a terminal with their deviations."""
    parts = [[k for k in keys if (k in FURTHER) == further] for further in (False, True)]
    return [part for part in parts if part]


def _headings(keys: Iterable[str]) -> list[str]:
    return [MEASURES[key].heading for key in keys]


def _measures(group: Group, keys: Iterable[str]) -> list[str]:
    return [with_deviation(*group.summary(key)) for key in keys]


def _costs(title: str | None, name: str, groups: Sequence[Group], keys: Sequence[str]) -> Table:
    costs = [group.cost_texts() for group in groups]
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
