"""Results of several seeds, as mean and deviation per method."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

from vdfd_seg.evaluation.functional import new_task_metric
from vdfd_seg.evaluation.table import (
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


def over_seeds(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Group runs of one method on one protocol, and summarise each measure.

    Args:
        results: Contents of ``results.json`` files.

    Returns:
        For each group, in order of appearance: ``method``, ``fingerprint``, ``seeds``,
        ``memory_bytes`` (the largest carried after the last step), ``held_bytes`` and
        ``peak_memory`` (the largest of any step, the latter with what it is of; None where no
        run says it), ``seconds_per_iter``
        (of the steps after the first, their mean; None where none was trained), and for every
        key of the summary that all its runs have, and ``new_task``
        (:func:`~vdfd_seg.evaluation.functional.new_task_metric`), a pair (mean, sample standard
        deviation); the deviation of a single run is None.
    """
    groups: dict[tuple[str, str, int], list[dict]] = {}
    for run in results:
        group = (run["method"], run["protocol"]["fingerprint"], len(run["steps"]))
        groups.setdefault(group, []).append(run)
    rows = []
    for (method, fingerprint, steps), runs in groups.items():
        row = {
            "method": method,
            "fingerprint": fingerprint,
            "steps": steps,
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


def format_seeds(results: Sequence[dict[str, Any]], width: int = 160) -> str:
    """:func:`over_seeds` as plain-text tables, of the measures and of what they cost.

    Protocols that differ are marked.

    Args:
        results: Contents of ``results.json`` files.
        width: Width in characters.
    """
    letters, notes = protocol_marks(results)
    mark_of = {
        run["protocol"]["fingerprint"]: mark for run, mark in zip(results, letters, strict=True)
    }
    rows = over_seeds(results)
    marks = [mark_of[row["fingerprint"]] for row in rows]
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
