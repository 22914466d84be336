"""Results as plain-text tables for a terminal."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from vdfd_seg.errors import InputError

MISSING = "-"


def format_number(value: float | None, digits: int = 2) -> str:
    """A number rounded for reading; ``-`` for None."""
    return MISSING if value is None else f"{value:.{digits}f}"


def human_bytes(count: float | None) -> str:
    """A number of bytes with a binary unit (``1.5 MiB``); ``-`` for None."""
    if count is None:
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def human_seconds(seconds: float | None) -> str:
    """A duration (``42 s``, ``3 min 05 s``, ``2 h 07 min``); ``-`` for None."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def total_seconds(results: dict[str, Any]) -> float | None:
    """Training time of all steps together; None if it is unknown for one of them."""
    seconds = [step["seconds"] for step in results["steps"]]
    return None if None in seconds else sum(seconds)


def most_held(results: dict[str, Any]) -> int | None:
    """The most that the method held while a step trained; None where no step says it."""
    held = [step.get("held_bytes") for step in results["steps"]]
    return max((count for count in held if count is not None), default=None)


def peak_memory(results: dict[str, Any]) -> tuple[int, str] | None:
    """The greatest peak of memory of any step, and what it is of; None where none says it."""
    peaks = [
        (step["peak_memory_bytes"], step["peak_memory_of"])
        for step in results["steps"]
        if step.get("peak_memory_bytes") is not None
    ]
    return max(peaks, default=None)


def human_peak(peak: tuple[int, str] | None) -> str:
    """A peak of memory with what it is of (``1.5 GiB GPU``, ``1.5 GiB RAM``); ``-`` for None."""
    if peak is None:
        return MISSING
    return f"{human_bytes(peak[0])} {'GPU' if peak[1] == 'GPU' else 'RAM'}"


def run_names(
    results: Sequence[dict[str, Any]], folders: Sequence[str | Path] | None = None
) -> list[str]:
    """A different name for each run: its method, and where that is shared, what tells it apart.

    Runs of one method and config with different seeds get the seed, others the end of their work
    dir (or a number, where no work dirs are given).

    Args:
        results: The runs.
        folders: Their work dirs.
    """
    names = [str(run["method"]) for run in results]
    ends = endings(len(names), folders)
    shared = {name: [i for i, n in enumerate(names) if n == name] for name in names}
    for name, runs in shared.items():
        configs = {results[i].get("config") for i in runs}
        seeds = {results[i]["seed"] for i in runs}
        for i in runs if len(runs) > 1 else []:
            only_seeds = len(configs) == 1 and len(seeds) == len(runs)
            names[i] = f"{name} seed {results[i]['seed']}" if only_seeds else f"{name} {ends[i]}"
    return names


def endings(count: int, folders: Sequence[str | Path] | None) -> list[str]:
    """What tells runs apart: where their folders differ, ``(a/seed_0)``, or a number, ``#1``."""
    if folders is None:
        return [f"#{number}" for number in range(1, count + 1)]
    paths = [Path(folder).resolve() for folder in folders]
    common = Path(os.path.commonpath(paths))
    ends = [str(path.relative_to(common) if path != common else path.name) for path in paths]
    return [
        f"({end})" if end not in ends[:i] else f"({end} #{ends[: i + 1].count(end)})"
        for i, end in enumerate(ends)
    ]


def describe_protocol(protocol: dict[str, Any]) -> str:
    """Data set, scenario and, where there is one, setting, in a few words."""
    parts = (protocol["dataset"], f"{protocol['scenario']}-incremental", protocol["setting"])
    return ", ".join(part for part in parts if part)


def protocol_marks(results: Sequence[dict[str, Any]]) -> tuple[list[str], dict[str, str]]:
    """Mark runs whose numbers may not be compared.

    Numbers compare only between runs of one protocol (same fingerprint) and one metric, after the
    same steps.

    Args:
        results: The runs.

    Returns:
        A mark for each run (all empty where all compare) and what each mark stands for.
    """
    kinds: dict[tuple, str] = {}
    for run in results:
        protocol, done = run["protocol"], [step["step"] for step in run["steps"]]
        text = f"{run['metric']} on {protocol['name']} ({describe_protocol(protocol)}), "
        text += f"fingerprint {protocol['fingerprint']}, after step {done[-1]}"
        text += "" if done == list(range(done[-1] + 1)) else f" (evaluated: {done})"
        kinds.setdefault(comparable(run), text)
    if len(kinds) < 2:
        return [""] * len(results), {}
    letters = {
        kind: ascii_lowercase[index] if index < 26 else str(index)
        for index, kind in enumerate(kinds)
    }
    marks = [letters[comparable(run)] for run in results]
    return marks, {letters[kind]: text for kind, text in kinds.items()}


def comparable(run: dict[str, Any]) -> tuple:
    """What must be equal between two runs whose numbers compare."""
    done = tuple(step["step"] for step in run["steps"])
    return str(run["protocol"]["fingerprint"]), run["metric"], done


def format_table(
    results: Sequence[dict[str, Any]], names: Sequence[str] | None = None, width: int = 110
) -> str:
    """Runs side by side: first one line per step, then one per run.

    The first table holds row ``i`` of the result matrix (``R[i][0] ... R[i][i]``), old, new and
    all (pooled over everything seen) after each step; the second the summary of each run; the
    third what its method carries after the last step and, the most of any step, holds while one
    trains, with the peak of memory in all and the time. Runs of
    different protocols or metrics are marked with a letter, explained below the tables.

    Args:
        results: Results as read by :func:`~vdfd_seg.evaluation.load_results`.
        names: Names of the runs. Default: their methods, made unique.
        width: Width in characters. Default 110.

    Returns:
        Plain ASCII text (names aside), ending in a newline.

    Raises:
        InputError: If there are no results, or names do not match them in number.
    """
    if not results:
        raise InputError("no results to put into a table")
    names = run_names(results) if names is None else list(names)
    if len(names) != len(results):
        raise InputError(f"{len(names)} names for {len(results)} results")
    marks, notes = protocol_marks(results)
    labels = [f"{name} [{mark}]" if mark else name for name, mark in zip(names, marks, strict=True)]
    # A run of classification has neither old nor new: no empty columns for it.
    split = any("old" in run["summary"] for run in results)

    tables = [
        _steps_table(results, labels, split),
        _summary_table(results, labels, split),
        _cost_table(results, labels),
    ]
    return render(tables, notes, width)


def render(tables: Sequence[Table], notes: dict[str, str], width: int) -> str:
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


def _steps_table(results: Sequence[dict[str, Any]], labels: list[str], split: bool) -> Table:
    table = _table("Run", "Step", title="Every task seen, after every step (percent)")
    table.add_column("R[i][0] .. R[i][i]", justify="left", ratio=1)
    for heading in ("Old", "New", "All") if split else ("All",):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, run in zip(labels, results, strict=True):
        for step in run["steps"]:
            number = step["step"]
            row = " ".join(format_number(value, 1) for value in run["matrix"][number][: number + 1])
            shown = [step.get("old"), step.get("new")] if split else []
            shown.append(step["overall"])
            table.add_row(label, str(number), row, *map(format_number, shown))
        table.add_section()
    return table


def _summary_table(results: Sequence[dict[str, Any]], labels: list[str], split: bool) -> Table:
    table = _table("Run", "Steps", title="After the last step")
    keys = (["old", "new"] if split else []) + ["overall", "acc"]
    keys += ["bwt", "forgetting", "avg_incremental"]
    headings = {
        "overall": "All",
        "acc": "ACC",
        "bwt": "BWT",
        "forgetting": "Forget",
        "avg_incremental": "Avg",
    }
    for key in keys:
        table.add_column(headings.get(key, key.title()), justify="right", no_wrap=True)
    for label, run in zip(labels, results, strict=True):
        table.add_row(
            label,
            f"{len(run['steps'])}/{len(run['protocol']['tasks'])}",
            *(format_number(run["summary"].get(key)) for key in keys),
        )
    return table


def _cost_table(results: Sequence[dict[str, Any]], labels: list[str]) -> Table:
    table = _table("Run", "Parameters", title="Memory and time")
    for heading in ("Carried", "Held", "Peak", "Time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, run in zip(labels, results, strict=True):
        table.add_row(
            label,
            str(run["steps"][-1]["parameters"]),
            human_bytes(run["steps"][-1]["memory_bytes"]),
            human_bytes(most_held(run)),
            human_peak(peak_memory(run)),
            human_seconds(total_seconds(run)),
        )
    return table


def _table(*left: str, title: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.ASCII2, title_style="")
    table.add_column(left[0], justify="left", overflow="fold", max_width=24)
    table.add_column(left[1], justify="right", no_wrap=True)
    return table
