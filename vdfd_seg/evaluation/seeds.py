"""Results of several seeds, as mean and deviation per method."""

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

from vdfd_seg.evaluation.functional import new_task_metric
from vdfd_seg.evaluation.table import format_number, human_bytes, protocol_marks, render

MEASURES = ("old", "new", "overall", "acc", "bwt", "forgetting", "new_task", "avg_incremental")
HEADINGS = ("Old", "New", "All", "ACC", "BWT", "Forget", "New task", "Avg")


def over_seeds(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Group runs of one method on one protocol, and summarise each measure.

    Args:
        results: Contents of ``results.json`` files.

    Returns:
        For each group, in order of appearance: ``method``, ``fingerprint``, ``seeds``,
        ``memory_bytes`` (the largest carried after the last step), ``seconds_per_iter``
        (of the steps after the first, their mean; None where none was trained), and for every
        key of the summary that all its runs have, and ``new_task``
        (:func:`~vdfd_seg.evaluation.functional.new_task_metric`), a pair (mean, sample standard
        deviation); the deviation of a single run is None.
    """
    groups: dict[tuple[str, str, int], list[dict]] = {}
    for run in results:
        key = (run["method"], run["protocol"]["fingerprint"], len(run["steps"]))
        groups.setdefault(key, []).append(run)
    rows = []
    for (method, fingerprint, steps), runs in groups.items():
        row = {
            "method": method,
            "fingerprint": fingerprint,
            "steps": steps,
            "seeds": sorted(run["seed"] for run in runs),
            "memory_bytes": max(run["steps"][-1]["memory_bytes"] or 0 for run in runs),
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


def _measure(run, key):
    return new_task_metric(run["matrix"]) if key == "new_task" else run["summary"].get(key)


def format_seeds(results: Sequence[dict[str, Any]], width: int = 160) -> str:
    """:func:`over_seeds` as a plain-text table; protocols that differ are marked.

    Args:
        results: Contents of ``results.json`` files.
        width: Width in characters.
    """
    letters, notes = protocol_marks(results)
    mark_of = {
        run["protocol"]["fingerprint"]: mark for run, mark in zip(results, letters, strict=True)
    }
    table = Table(box=box.ASCII2)
    rows = over_seeds(results)
    shown = [key for key in MEASURES if any(key in row for row in rows)]
    names = [name for key, name in zip(MEASURES, HEADINGS, strict=True) if key in shown]
    for name in ("Method", "Seeds", *names, "Carried", "s/iter"):
        table.add_column(name, justify="left" if name == "Method" else "right", no_wrap=True)
    for row in rows:
        mark = mark_of[row["fingerprint"]]
        table.add_row(
            f"{row['method']} [{mark}]" if mark else row["method"],
            str(len(row["seeds"])),
            *(cell(row.get(key)) for key in shown),
            human_bytes(row["memory_bytes"]),
            format_number(row["seconds_per_iter"], 3),
        )
    return render([table], notes, width)


def cell(pair: tuple[float, float | None] | None) -> str:
    """A mean and its deviation, rounded for reading."""
    if pair is None:
        return format_number(None)
    value, deviation = pair
    text = format_number(value)
    return text if deviation is None else f"{text} ± {format_number(deviation)}"
