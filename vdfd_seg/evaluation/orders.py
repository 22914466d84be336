"""Methods compared over the orders in which classes or domains were learned."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vdfd_seg.evaluation.groups import Group, Pair, group_runs, mean_and_deviation
from vdfd_seg.evaluation.runs import RunFiles, Value, load_runs


class MethodOverOrders(NamedTuple):
    """A method in the orders that every method it is compared with has finished, two or more.

    Attributes:
        name: The method.
        orders: Its runs of each of these orders, put together over their seeds.
        left_out: How many orders of its own others lack.
    """

    name: str
    orders: list[Group]
    left_out: int

    def values(self, key: str) -> list[Value]:
        """A measure of every order: the mean over its seeds, so that each order counts once."""
        return [group.summary(key)[0] for group in self.orders]

    def summary(self, key: str) -> Pair:
        """Mean and sample standard deviation of a measure over the orders."""
        return mean_and_deviation(self.values(key))


def over_orders(runs: Sequence[RunFiles]) -> list[list[MethodOverOrders]]:
    """Summarise each method over the orders in which the classes (or domains) were learned.

    Runs belong together when their protocols differ in nothing but the order, and each order has
    one fingerprint. Only the orders that every method has are taken, so that no method has an
    easier one.

    Returns:
        The methods of each set with two orders or more.
    """
    sets: dict[tuple, list[dict]] = {}
    for run in runs:
        # Tasks that a results file of another source writes down in words have no order.
        if all(isinstance(task, Mapping) for task in run.results["protocol"]["tasks"]):
            sets.setdefault(_set(run.results), []).append(run.results)
    found = []
    for results in sets.values():
        orders: dict[str, dict[str, Group]] = {}
        for group in group_runs(load_runs(results)):
            fingerprint = group.first.results["protocol"]["fingerprint"]
            orders.setdefault(group.name, {})[fingerprint] = group
        common = sorted(set.intersection(*(set(each) for each in orders.values())))
        if len(common) < 2 or not _one_to_one(results):
            continue
        methods = []
        for name, own in orders.items():
            used = [own[order] for order in common]
            methods.append(MethodOverOrders(name, used, len(own) - len(used)))
        found.append(methods)
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
