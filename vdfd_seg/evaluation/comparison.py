"""Results of several orders of the same classes, as mean and deviation over the orders."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

from vdfd_seg.evaluation.seeds import HEADINGS, MEASURES, cell, format_seeds, over_seeds
from vdfd_seg.evaluation.table import human_bytes, render


def over_orders(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Summarise each method over the orders in which the classes (or domains) were learned.

    Runs belong together when their protocols differ in nothing but the order: data set, scenario,
    rules, the classes as a set and the sizes of the tasks are the same, and each order has one
    fingerprint (so the images are the same as well). The numbers of one order are first averaged
    over its seeds, so that an order counts once; then over the orders that every method of the set
    has, so that no method has an easier one.

    Args:
        results: Contents of ``results.json`` files.

    Returns:
        For each method of each set that has two orders or more: ``method``, ``set`` (its number),
        ``orders`` (how many), ``left_out`` (orders of its own that others lack), ``memory_bytes``
        (the largest) and for every measure a pair (mean, sample standard deviation over orders).
    """
    sets: dict[tuple, list[dict]] = {}
    for run in results:
        sets.setdefault(_set(run), []).append(run)
    rows = []
    for number, runs in enumerate(found for found in sets.values() if _one_to_one(found)):
        by_method: dict[str, dict[str, dict]] = {}
        for row in over_seeds(runs):
            by_method.setdefault(row["method"], {})[row["kind"][0]] = row
        common = set.intersection(*(set(orders) for orders in by_method.values()))
        if len(common) < 2:
            continue
        for method, orders in by_method.items():
            used = [orders[fingerprint] for fingerprint in sorted(common)]
            row = {
                "method": method,
                "set": number,
                "orders": len(used),
                "left_out": len(orders) - len(used),
                "memory_bytes": max(each["memory_bytes"] for each in used),
            }
            for key in MEASURES:
                if all(key in each for each in used):
                    values = [each[key][0] for each in used]
                    row[key] = (mean(values), stdev(values))
            rows.append(row)
    return rows


def format_orders(results: Sequence[dict[str, Any]], width: int = 160) -> str:
    """:func:`over_orders` as a plain-text table; empty where no order has a second beside it."""
    rows = over_orders(results)
    if not rows:
        return ""
    table = Table(
        title="Over the orders (each the mean of its seeds)", title_justify="left",
        title_style="", box=box.ASCII2,
    )  # fmt: skip
    shown = [key for key in MEASURES if any(key in row for row in rows)]
    names = [name for key, name in zip(MEASURES, HEADINGS, strict=True) if key in shown]
    for name in ("Method", "Orders", *names, "Carried"):
        table.add_column(name, justify="left" if name == "Method" else "right", no_wrap=True)
    previous = rows[0]["set"]
    for row in rows:
        if row["set"] != previous:
            table.add_section()
            previous = row["set"]
        table.add_row(
            row["method"],
            f"{row['orders']} (+{row['left_out']})" if row["left_out"] else str(row["orders"]),
            *(cell(row.get(key)) for key in shown),
            human_bytes(row["memory_bytes"]),
        )
    notes = ""
    if any(row["left_out"] for row in rows):
        notes = "(+N): orders that not every method has finished, and that are left out.\n"
    return render([table], {}, width) + notes


def format_comparison(
    results: Sequence[dict[str, Any]],
    width: int = 160,
    folders: Sequence[str | Path] | None = None,
) -> str:
    """The table over seeds, and below it that over orders where there are several.

    Args:
        results: Contents of ``results.json`` files.
        width: Width in characters.
        folders: Their work dirs.
    """
    orders = format_orders(results, width)
    return format_seeds(results, width, folders) + (f"\n{orders}" if orders else "")


def _set(run):
    protocol = run["protocol"]
    tasks = [(len(task["classes"]), len(task.get("domains", ()))) for task in protocol["tasks"]]
    if protocol["scenario"] == "domain":
        # The first task of an order lists all classes, in whatever place.
        tasks = [domains for _, domains in tasks]
    rules = [protocol.get(key) for key in ("setting", "unseen", "average", "evaluate_on")]
    names = sorted(name for task in protocol["tasks"] for name in _names(task))
    return (
        protocol["name"], protocol["dataset"], protocol["scenario"], run["metric"],
        repr(rules), repr(sorted(tasks)), repr(names), len(run["steps"]),
    )  # fmt: skip


def _one_to_one(runs):
    pairs = {(_order(run), run["protocol"]["fingerprint"]) for run in runs}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _order(run):
    return repr([_names(task) for task in run["protocol"]["tasks"]])


def _names(task):
    return [*task["classes"], *task.get("domains", ())]
