"""One self-contained HTML page about a run, or comparing several."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from vdfd_seg.evaluation.groups import Group, group_runs
from vdfd_seg.evaluation.readable import format_number, human_bytes, human_peak, human_seconds
from vdfd_seg.evaluation.runs import RunFiles, describe_protocol, protocol_marks, read_runs
from vdfd_seg.utils.files import atomic_write_text
from vdfd_seg.version import __version__
from vdfd_seg.visualization import figures, tables
from vdfd_seg.visualization.samples import collect_examples, run_palette

# A title with more names than this says how many there are.
_FEW = 5


def write_report(
    runs: Sequence[RunFiles | str | Path], out: str | Path, title: str | None = None
) -> Path:
    """Write one HTML file that needs nothing else: no script, network, font or other file.

    It holds the summary of each method (definitions as in
    :mod:`vdfd_seg.evaluation.measures`), its cost, the result matrices, curves over the steps,
    values per class, the same test images segmented after every step, protocol, environment and
    command. Runs that differ in nothing but the seed are one method, mean ± sample standard
    deviation. Runs of different protocols are marked as not comparable.

    Args:
        runs: Work dirs (or loaded runs), one or several.
        out: The HTML file, which is returned.
        title: Title of the page. Default: the names of the methods and of the protocol.

    Raises:
        InputError: If results or pictures cannot be used.
    """
    loaded = read_runs(runs)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("vdfd_seg.visualization"), undefined=jinja2.StrictUndefined,
        autoescape=True, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = templates.get_template("report.html.j2")
    atomic_write_text(out, page.render(_context(loaded, title)))
    return out


def _context(runs: list[RunFiles], title: str | None) -> dict[str, Any]:
    marks, notes = protocol_marks(runs)
    groups = group_runs(runs)
    several = len(groups) < len(runs)
    # Across protocols, or after different steps, no value is "the best".
    compare = len(groups) > 1 and not any(marks)
    metric = figures.metric_of(runs)
    longest = max(runs, key=lambda run: len(run.matrix))
    samples = collect_examples([group.first for group in groups])
    single = [Group(run.name, (run,), mark) for run, mark in zip(runs, marks, strict=True)]
    names = ", ".join(group.name for group in groups)
    protocol = runs[0].results["protocol"]
    if len(groups) > _FEW:
        names = f"{len(groups)} methods"
    return {
        "title": title or f"{names} on {protocol['dataset']} {protocol['name']}",
        "version": __version__,
        "describe_protocol": describe_protocol,
        "metric": metric,
        "metric_per_class": metric.replace("mIoU", "IoU"),
        "notes": notes,
        "several_seeds": several,
        "headline": tables.headline(groups, compare),
        "single_runs": tables.headline(single, compare=False) if several else None,
        "groups": groups,
        "scale_rules": tables.scale_rules(),
        "heatmaps": figures.heatmaps(groups),
        "run_heatmaps": figures.run_heatmaps(groups),
        "matrix_tables": [tables.matrix_table(group) for group in groups],
        "curves": figures.curves(groups),
        "orders": figures.orders(runs),
        "class_values": figures.class_values(groups),
        "class_table": tables.class_table(groups) if len(runs) > 1 else None,
        "step_tables": tables.step_tables(runs),
        "confusions": figures.confusions(groups),
        "confusion_tables": list(filter(None, map(tables.lost_table, groups))),
        "samples": samples,
        # Of several protocols a step has no one task.
        "steps": [""] * len(longest.matrix) if notes else longest.task_names[: len(longest.matrix)],
        "legend": _legend(runs),
        "show_images": bool(samples) or "mIoU" in metric,
        "details": _details(single),
        "number": format_number,
        "bytes": human_bytes,
        "peak": human_peak,
        "duration": human_seconds,
    }


def _legend(runs: list[RunFiles]) -> list[tuple[str, str]]:
    colours: dict[str, str] = {}
    for run in runs:
        for name, colour in zip(run.classes, run_palette(run)):
            colours.setdefault(name, "#{:02x}{:02x}{:02x}".format(*colour))
    return list(colours.items())


def _details(single: list[Group]) -> list[dict[str, Any]]:
    details = []
    # By content: what a later run shares with an earlier one is shown once.
    environments: dict[str, str] = {}
    for group in single:
        results, name = group.first.results, group.name
        environment, command = results.get("environment") or {}, results.get("command") or ""
        earlier = environments.setdefault(repr(sorted(environment.items())), name)
        details.append(
            {
                **results,
                "name": group.label,
                "tasks": [_task_text(task) for task in results["protocol"]["tasks"]],
                "command": command if isinstance(command, str) else " ".join(map(str, command)),
                "environment": environment if earlier == name else {},
                "same_environment": earlier if environment and earlier != name else "",
            }
        )
    return details


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
