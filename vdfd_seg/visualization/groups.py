"""Runs that differ in nothing but the seed, as one method with means and deviations."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from vdfd_seg.evaluation.table import comparable, protocol_marks
from vdfd_seg.visualization.runs import RunFiles

Value = float | None


@dataclass(frozen=True)
class Group:
    """Runs of one method on one protocol with different seeds; often a single one.

    Attributes:
        name: What the report calls it: the method's name, or that of the single run.
        runs: The runs, in the order given.
        mark: Letter of its protocol where the report holds several, else "".
    """

    name: str
    runs: tuple[RunFiles, ...]
    mark: str = ""

    @property
    def label(self) -> str:
        """Name with the mark, for plots and tables."""
        return f"{self.name} [{self.mark}]" if self.mark else self.name

    @property
    def first(self) -> RunFiles:
        """The run whose pictures and protocol stand for all."""
        return self.runs[0]

    def summary(self, key: str) -> tuple[Value, Value]:
        """Mean and deviation of a measure of the summary."""
        return mean_and_deviation(run.results["summary"].get(key) for run in self.runs)

    def series(self, key: str) -> tuple[list[Value], list[Value]]:
        """Means and deviations of a value of every step, such as ``overall``."""
        return self.of_steps(lambda run: run.values(key))

    def of_steps(
        self, values: Callable[[RunFiles], list[Value]]
    ) -> tuple[list[Value], list[Value]]:
        """Means and deviations of what a function says of every step of a run."""
        return _pairs(zip(*(values(run) for run in self.runs), strict=True))

    def matrix(self) -> tuple[list[list[Value]], list[list[Value]]]:
        """Means and deviations of the result matrices, entry by entry."""
        rows = zip(*(run.results["matrix"] for run in self.runs), strict=True)
        pairs = [_pairs(zip(*entries, strict=False)) for entries in rows]
        return [means for means, _ in pairs], [deviations for _, deviations in pairs]

    def per_class(self) -> tuple[dict[str, Value], dict[str, Value]]:
        """Means and deviations of the classes' values after the last step."""
        last = [run.results["steps"][-1]["per_class"] for run in self.runs]
        names = list(dict.fromkeys(name for values in last for name in values))
        means, deviations = _pairs([values.get(name) for values in last] for name in names)
        return (
            dict(zip(names, means, strict=True)),
            dict(zip(names, deviations, strict=True)),
        )


def mean_and_deviation(values: Iterable[Value]) -> tuple[Value, Value]:
    """Mean and sample standard deviation, ``sqrt(sum((x - mean)^2) / (n - 1))``.

    Args:
        values: One value a run.

    Returns:
        Both; (None, None) where a value is None, no deviation of a single value.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return mean(known), stdev(known) if len(known) > 1 else None


def group_runs(runs: Sequence[RunFiles]) -> list[Group]:
    """Put together the runs that differ in nothing but the seed.

    These have one method, config, protocol (fingerprint), metric and finished steps, and seeds
    that are all different: a seed that is there twice says that something else was changed, and
    then each run stands for itself.

    Args:
        runs: Runs with names, as :func:`~vdfd_seg.visualization.runs.read_runs` gives them.

    Returns:
        The groups, in the order of their first runs, each with a name of its own and the letter of
        its protocol where there are several.
    """
    letters, _ = protocol_marks([run.results for run in runs])
    found: dict[tuple, list[int]] = {}
    for index, run in enumerate(runs):
        found.setdefault(_kind(run), []).append(index)
    split: list[list[int]] = []
    for indices in found.values():
        seeds = [runs[index].results["seed"] for index in indices]
        split += [indices] if len(set(seeds)) == len(seeds) else [[index] for index in indices]
    split.sort()
    methods = [runs[indices[0]].results["method"] for indices in split]
    groups: list[Group] = []
    for indices, method in zip(split, methods, strict=True):
        results = runs[indices[0]].results
        name = runs[indices[0]].name
        if len(indices) > 1:
            name = method if methods.count(method) == 1 else f"{method} ({results['config']})"
        taken = [group.name for group in groups]
        number = 1 + sum(other == name or other.startswith(f"{name} #") for other in taken)
        name = name if number == 1 else f"{name} #{number}"
        groups.append(Group(name, tuple(runs[index] for index in indices), letters[indices[0]]))
    return groups


def _kind(run: RunFiles) -> tuple:
    results = run.results
    return results["method"], results["config"], *comparable(results)


def _pairs(rows: Iterable[Iterable[Value]]) -> tuple[list[Value], list[Value]]:
    pairs = [mean_and_deviation(values) for values in rows]
    return [value for value, _ in pairs], [deviation for _, deviation in pairs]
