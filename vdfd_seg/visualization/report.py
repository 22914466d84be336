"""One self-contained HTML page about a run, or comparing several."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from vdfd_seg.evaluation.table import (
    describe_protocol,
    format_number,
    human_bytes,
    human_peak,
    human_seconds,
    most_held,
    peak_memory,
    protocol_marks,
    total_seconds,
)
from vdfd_seg.files import atomic_write_text
from vdfd_seg.version import __version__
from vdfd_seg.visualization import plots
from vdfd_seg.visualization.runs import RunFiles, read_runs
from vdfd_seg.visualization.samples import collect_samples

# Key of the summary, heading, what it is, and whether more is better.
_MEASURES = (
    ("overall", "all", "everything seen so far, pooled: the number papers publish", True),
    ("old", "old", "classes of the first task, background included", True),
    ("new", "new", "classes of all later tasks", True),
    ("acc", "ACC", "mean of the last row of the result matrix", True),
    ("bwt", "BWT", "backward transfer: mean of R[T][j] − R[j][j]; negative is forgetting", True),
    ("forgetting", "forgetting", "mean of the best value before the last step − R[T][j]", False),
    ("avg_incremental", "avg", "mean over the steps of “all”", True),
)


def write_report(
    runs: Sequence[RunFiles | str | Path],
    out: str | Path,
    title: str | None = None,
    max_images: int = 8,
) -> Path:
    """Write one HTML file that needs nothing else: no script, network, font or other file.

    It holds the summary of each run (definitions as in :mod:`vdfd_seg.evaluation.functional`), the
    result matrices, curves over the steps, IoU per class, the same test images segmented after
    every step, the protocol with its fingerprint, the environment and the command. Runs of
    different protocols are shown, but marked as not comparable.

    Args:
        runs: Work dirs (or loaded runs), one or several.
        out: The HTML file.
        title: Title of the page. Default: the names of the runs and of the protocol.
        max_images: How many test images to show at most. Default 8.

    Returns:
        ``out``.

    Raises:
        InputError: If results or pictures cannot be used.
    """
    loaded = read_runs(runs)
    out = Path(out)
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = resources.files("vdfd_seg.visualization").joinpath("templates/report.html.j2")
    page = environment.from_string(template.read_text(encoding="utf-8"))
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(out, page.render(_context(loaded, title, max_images)))
    return out


def _context(runs: list[RunFiles], title: str | None, max_images: int) -> dict[str, Any]:
    marks, notes = protocol_marks([run.results for run in runs])
    first = runs[0].results
    names = ", ".join(run.name for run in runs)
    return {
        "title": title or f"{names} on {first['protocol']['name']}",
        "version": __version__,
        "describe_protocol": describe_protocol,
        "metric": first["metric"],
        "metric_per_class": "IoU" if first["metric"] == "mIoU" else first["metric"],
        "notes": notes,
        "headline": _headline(runs, marks),
        "heatmaps": [
            (run.name, plots.forgetting_heatmap(run.results["matrix"], run.results["metric"]))
            for run in runs
        ],
        "curves": _curves(runs),
        "bars": _bars(runs),
        "class_tables": _class_tables(runs),
        "samples": collect_samples(runs, max_images),
        "steps": max(len(run.results["matrix"]) for run in runs),
        "legend": _legend(runs),
        "details": [
            {
                "name": run.name,
                "protocol": run.results["protocol"],
                "tasks": [_task_text(task) for task in run.results["protocol"]["tasks"]],
                "config": run.results["config"],
                "seed": run.results["seed"],
                "steps": run.results["steps"],
                "command": _command(run.results.get("command")),
                "environment": run.results.get("environment") or {},
            }
            for run in runs
        ],
        "number": format_number,
        "bytes": human_bytes,
        "peak_of": lambda step: human_peak(peak_memory({"steps": [step]})),
        "duration": human_seconds,
    }


def _headline(runs: list[RunFiles], marks: list[str]) -> dict[str, Any]:
    measures = [
        measure
        for measure in _MEASURES
        if any(measure[0] in run.results["summary"] for run in runs)
    ]
    # Across protocols no value is "the best".
    compare = len(runs) > 1 and not any(marks)
    columns = [_column(runs, measure, compare) for measure in measures]
    rows = []
    for index, (run, mark) in enumerate(zip(runs, marks, strict=True)):
        rows.append(
            {
                "name": run.name,
                "mark": mark,
                "seed": run.results["seed"],
                "done": len(run.results["steps"]),
                "tasks": len(run.results["protocol"]["tasks"]),
                "cells": [column[index] for column in columns],
                "bytes": human_bytes(run.results["steps"][-1]["memory_bytes"]),
                "held": human_bytes(most_held(run.results)),
                "peak": human_peak(peak_memory(run.results)),
                "seconds": human_seconds(total_seconds(run.results)),
            }
        )
    return {"measures": measures, "rows": rows, "compare": compare}


def _column(
    runs: list[RunFiles], measure: tuple[str, str, str, bool], compare: bool
) -> list[tuple[str, bool]]:
    values = [run.results["summary"].get(measure[0]) for run in runs]
    known = [value for value in values if value is not None]
    best = (max(known) if measure[3] else min(known)) if known and compare else None
    return [(format_number(value), value is not None and value == best) for value in values]


def _curves(runs: list[RunFiles]) -> list[str]:
    metric = runs[0].results["metric"]
    keys = [("overall", "all"), ("old", "old"), ("new", "new")]
    curves = {
        label: {run.name: run.values(key) for run in runs if any(_known(run.values(key)))}
        for key, label in keys
    }
    first_task = {run.name: [row[0] for row in run.results["matrix"]] for run in runs}
    if not curves["old"]:
        curves = {"all": curves["all"], "first task": first_task}
    curves = {label: values for label, values in curves.items() if values}
    if len(runs) > 1:
        titles = {"all": "all seen", "old": "old: the first task's", "new": "new: the later tasks'"}
        return [
            plots.step_curves(values, metric, titles.get(label, label))
            for label, values in curves.items()
        ]
    single = {label: next(iter(values.values())) for label, values in curves.items()}
    return [plots.step_curves(single, metric)]


def _known(values: Sequence[float | None]) -> list[bool]:
    return [value is not None for value in values]


def _bars(runs: list[RunFiles]) -> str | None:
    values = {run.name: run.results["steps"][-1]["per_class"] for run in runs}
    if not any(values.values()):
        return None
    metric = "IoU" if runs[0].results["metric"] == "mIoU" else runs[0].results["metric"]
    return plots.class_bars(values, metric)


def _class_tables(runs: list[RunFiles]) -> list[dict[str, Any]]:
    """Values per class: of every run after its last step, and of each run after every step."""
    tables = []
    if len(runs) > 1:
        last = {run.name: run.results["steps"][-1]["per_class"] for run in runs}
        tables.append(_class_table("after the last step", last))
    for run in runs:
        steps = {f"step {step['step']}": step["per_class"] for step in run.results["steps"]}
        tables.append(_class_table(f"{run.name}: after every step", steps))
    return tables


def _class_table(title: str, columns: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    rows = []
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        values = [column.get(name) for column in columns.values()]
        cells = [(format_number(value, 1), plots.cell_colours(value)) for value in values]
        rows.append((name, cells))
    return {"title": title, "columns": list(columns), "rows": rows}


def _legend(runs: list[RunFiles]) -> list[tuple[str, str]]:
    colours: dict[str, str] = {}
    for run in runs:
        for name, colour in zip(run.classes, run.palette, strict=False):
            colours.setdefault(name, "#{:02x}{:02x}{:02x}".format(*colour))
    return list(colours.items())


def _task_text(task: Any) -> str:
    """A task of the protocol in words, whatever its parts: text, a list, or named parts."""
    if isinstance(task, Mapping):
        parts = {key: _task_text(value) for key, value in task.items() if value not in (None, [])}
        name = parts.pop("name", "")
        rest = "; ".join(f"{key}: {value}" for key, value in parts.items())
        return ": ".join(part for part in (name, rest) if part)
    if isinstance(task, (list, tuple)):
        return ", ".join(_task_text(item) for item in task)
    return str(task)


def _command(command: Any) -> str:
    return " ".join(map(str, command)) if isinstance(command, (list, tuple)) else str(command or "")
