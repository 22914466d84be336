"""Results of several seeds, as mean and deviation per method."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

from vdfd_seg.evaluation.functional import new_task_metric
from vdfd_seg.evaluation.table import (
    comparable,
    endings,
    format_number,
    human_bytes,
    human_peak,
    most_held,
    peak_memory,
    protocol_marks,
    render,
)

MEASURES = ("old", "new", "overall", "acc", "bwt", "forgetting", "new_task", "avg_incremental")
HEADINGS = ("Old", "New", "All", "ACC", "BWT", "Forget", "New task", "Avg")


def over_seeds(
    results: Sequence[dict[str, Any]], folders: Sequence[str | Path] | None = None
) -> list[dict[str, Any]]:
    """Group runs that differ in nothing but the seed, and summarise each measure.

    These are of one method, config and protocol, and equally far. A seed that is there twice says
    that something else was changed: then each run stands for itself.

    Args:
        results: Contents of ``results.json`` files.
        folders: Their work dirs, to name the runs of such groups.

    Returns:
        For each group, in order of appearance: ``method`` (with the config where the method has
        several), ``kind`` (:func:`~vdfd_seg.evaluation.table.comparable`), ``seeds``,
        ``memory_bytes`` (the largest carried after the last step), ``held_bytes`` and
        ``peak_memory`` (the largest of any step, the latter with what it is of; None where no
        run says it), ``seconds_per_iter``
        (of the steps after the first, their mean; None where none was trained), and for every
        key of the summary that all its runs have, and ``new_task``
        (:func:`~vdfd_seg.evaluation.functional.new_task_metric`), a pair (mean, sample standard
        deviation); the deviation of a single run is None.
    """
    groups: dict[tuple, list[int]] = {}
    for index, run in enumerate(results):
        groups.setdefault((run["method"], run.get("config"), comparable(run)), []).append(index)
    configs = {(method, config) for method, config, _ in groups}
    ends = endings(len(results), folders)
    split = []
    for (method, config, kind), indices in groups.items():
        several = sum(other == method for other, _ in configs) > 1
        name = f"{method} ({config})" if several else method
        if len({results[i]["seed"] for i in indices}) == len(indices):
            split.append((name, kind, indices))
        else:
            split += [(f"{name} {ends[i]}", kind, [i]) for i in indices]
    rows = []
    for method, kind, indices in split:
        runs = [results[i] for i in indices]
        row = {
            "method": method,
            "kind": kind,
            "seeds": sorted(run["seed"] for run in runs),
            "memory_bytes": max(run["steps"][-1]["memory_bytes"] or 0 for run in runs),
            "held_bytes": _largest(map(most_held, runs)),
            "peak_memory": _largest(map(peak_memory, runs)),
        }
        times = [s["seconds_per_iter"] for run in runs for s in run["steps"] if s["step"]]
        times = [time for time in times if time]
        row["seconds_per_iter"] = mean(times) if times else None
        for key in MEASURES:
            values = [_measure(run, key) for run in runs]
            if None not in values:
                row[key] = (mean(values), stdev(values) if len(values) > 1 else None)
        rows.append(row)
    return rows


def _largest(values):
    return max((value for value in values if value is not None), default=None)


def _measure(run, key):
    return new_task_metric(run["matrix"]) if key == "new_task" else run["summary"].get(key)


def format_seeds(
    results: Sequence[dict[str, Any]],
    width: int = 160,
    folders: Sequence[str | Path] | None = None,
) -> str:
    """:func:`over_seeds` as plain-text tables, of the measures and of what they cost.

    Protocols that differ are marked.

    Args:
        results: Contents of ``results.json`` files.
        width: Width in characters.
        folders: Their work dirs.
    """
    letters, notes = protocol_marks(results)
    mark_of = {comparable(run): mark for run, mark in zip(results, letters, strict=True)}
    rows = over_seeds(results, folders)
    marks = [mark_of[row["kind"]] for row in rows]
    labels = [
        f"{row['method']} [{mark}]" if mark else row["method"]
        for row, mark in zip(rows, marks, strict=True)
    ]
    shown = [key for key in MEASURES if any(key in row for row in rows)]
    names = [name for key, name in zip(MEASURES, HEADINGS, strict=True) if key in shown]
    measures = _table("Seeds", *names)
    costs = _table("Carried", "Held", "Peak", "s/iter")
    for label, row in zip(labels, rows, strict=True):
        measures.add_row(label, str(len(row["seeds"])), *(cell(row.get(key)) for key in shown))
        costs.add_row(
            label,
            human_bytes(row["memory_bytes"]),
            human_bytes(row["held_bytes"]),
            human_peak(row["peak_memory"]),
            format_number(row["seconds_per_iter"], 3),
        )
    return render([measures, costs], notes, width)


def _table(*headings):
    table = Table(box=box.ASCII2)
    for name in ("Method", *headings):
        table.add_column(name, justify="left" if name == "Method" else "right", no_wrap=True)
    return table


def cell(pair: tuple[float, float | None] | None) -> str:
    """A mean and its deviation, rounded for reading."""
    if pair is None:
        return format_number(None)
    value, deviation = pair
    text = format_number(value)
    return text if deviation is None else f"{text} ± {format_number(deviation)}"
