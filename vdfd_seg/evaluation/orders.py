"""Methods compared over the orders in which classes or domains were learned."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vdfd_seg.evaluation.groups import MEASURES, Group, group_runs, mean_and_deviation
from vdfd_seg.evaluation.runs import RunFiles


def over_orders(results: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Summarise each method over the orders in which the classes (or domains) were learned.

    Runs belong together when their protocols differ in nothing but the order, and each order has
    one fingerprint. The numbers of one order are first averaged over its seeds, so that an order
    counts once; then over the orders that every method has, so that no method has an easier one.

    Args:
        results: Contents of ``results.json`` files.

    Returns:
        For each set with two orders or more, for each method: ``method``, ``orders`` (how many),
        ``left_out`` (orders of its own that others lack), ``carried`` (bytes, the most), for
        every measure a pair (mean, sample standard deviation over orders), and in ``values`` for
        every measure those of the orders.
    """
    sets: dict[tuple, list[dict]] = {}
    for run in results:
        # Tasks that a results file of another source writes down in words have no order.
        if all(isinstance(task, Mapping) for task in run["protocol"]["tasks"]):
            sets.setdefault(_set(run), []).append(run)
    found = []
    for runs in sets.values():
        orders: dict[str, dict[str, Group]] = {}
        for group in group_runs([RunFiles(Path(), run) for run in runs]):
            fingerprint = group.first.results["protocol"]["fingerprint"]
            orders.setdefault(group.name, {})[fingerprint] = group
        common = sorted(set.intersection(*(set(each) for each in orders.values())))
        if len(common) < 2 or not _one_to_one(runs):
            continue
        rows = []
        for method, each in orders.items():
            used = [each[fingerprint] for fingerprint in common]
            row: dict[str, Any] = {
                "method": method,
                "orders": len(used),
                "left_out": len(each) - len(used),
            }
            row["carried"] = max(group.cost()["carried"] or 0 for group in used)
            row["values"] = {key: [group.summary(key)[0] for group in used] for key in MEASURES}
            for key, values in row["values"].items():
                row[key] = mean_and_deviation(values)
            rows.append(row)
        found.append(rows)
    return found


def _set(run: dict[str, Any]) -> tuple:
    """What is the same in runs that differ in nothing but the order."""
    protocol = run["protocol"]
    tasks = [(len(task["classes"]), len(task.get("domains", ()))) for task in protocol["tasks"]]
    if protocol["scenario"] == "domain":
        # The first task of an order lists all classes, in whatever place.
        tasks = [(0, domains) for _, domains in tasks]
    rules = [protocol.get(key) for key in ("setting", "unseen", "average", "evaluate_on")]
    names = sorted(name for task in protocol["tasks"] for name in _names(task))
    return (
        protocol["name"], protocol["dataset"], protocol["scenario"], run["metric"],
        repr(rules), repr(sorted(tasks)), repr(names), len(run["steps"]),
    )  # fmt: skip


def _one_to_one(runs: Sequence[dict[str, Any]]) -> bool:
    """Whether each order has one fingerprint and each fingerprint one order."""
    pairs = {
        (repr([_names(task) for task in run["protocol"]["tasks"]]), run["protocol"]["fingerprint"])
        for run in runs
    }
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _names(task: dict[str, Any]) -> list[str]:
    return [*task["classes"], *task.get("domains", ())]
