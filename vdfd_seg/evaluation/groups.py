"""Runs put together over their seeds: means, deviations, costs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np

from vdfd_seg.evaluation.functional import pool
from vdfd_seg.evaluation.readable import (
    MISSING,
    format_number,
    human_bytes,
    human_peak,
    human_seconds,
)
from vdfd_seg.evaluation.runs import RunFiles, Value, endings, protocol_marks

Pair = tuple[Value, Value]


class Measure(NamedTuple):
    """How tables show a measure: its heading, what it means, and whether more is better."""

    heading: str
    meaning: str
    more_is_better: bool = True


MEASURES = {
    "old": Measure("Old", "classes of the first task, background included"),
    "new": Measure("New", "classes of all later tasks"),
    "overall": Measure("All", "everything learned so far, pooled: the number papers publish"),
    "acc": Measure("ACC", "mean over the tasks, each counted once"),
    "bwt": Measure(
        "BWT",
        "backward transfer: change of the earlier tasks since each was learned; negative is "
        "forgetting",
    ),
    "forgetting": Measure(
        "Forget", "forgetting: the best value an earlier task ever had, minus its last", False
    ),
    "new_task": Measure("New task", "mean over the later tasks, each just after it was learned"),
    "avg_incremental": Measure("Avg", "mean over the steps of “All”"),
    "hiou": Measure("hIoU", "harmonic mean of “Old” and “New”"),
    "mean_accuracy": Measure("mAcc", "mean over the classes of the share of their pixels found"),
    "pixel_accuracy": Measure("aAcc", "share of all pixels that are right"),
    "fwt": Measure(
        "FWT", "forward transfer: a task before it is trained, compared to an untrained network"
    ),
    "intransigence": Measure(
        "Intrans.",
        "intransigence: joint training on a new task, minus the value just after it was learned",
        False,
    ),
}
"""Keys of the summary, and ``new_task``."""

FURTHER = ("hiou", "mean_accuracy", "pixel_accuracy", "fwt", "intransigence")
"""Those that text tables have below the others."""


@dataclass(frozen=True)
class Group:
    """Runs of one method on one protocol with different seeds; often a single one.

    Values over the seeds are pairs of mean and deviation, as of :func:`mean_and_deviation`.

    Attributes:
        name: What the report calls it: the method's name, or that of the single run.
        runs: The runs, in the order given.
        mark: Letter of its protocol where there are several, else "".
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

    @property
    def done(self) -> str:
        """Steps evaluated of how many: ``2/5``."""
        results = self.first.results
        return f"{len(results['steps'])}/{len(results['protocol']['tasks'])}"

    def summary(self, key: str) -> Pair:
        """A measure of the summary, or of ``new_task``."""
        return mean_and_deviation(run.measure(key) for run in self.runs)

    def of_steps(self, values: Callable[[RunFiles], list[Value]]) -> list[Pair]:
        """What a function gives for every step of a run."""
        steps = zip(*(values(run) for run in self.runs), strict=True)
        return [mean_and_deviation(seeds) for seeds in steps]

    def matrix(self) -> list[list[Pair]]:
        """The result matrix, entry by entry."""
        rows = zip(*(run.matrix for run in self.runs), strict=True)
        return [[mean_and_deviation(seeds) for seeds in zip(*row)] for row in rows]

    def per_class(self) -> dict[str, Pair]:
        """The classes' values after the last step."""
        last = [run.last["per_class"] for run in self.runs]
        names = dict.fromkeys(name for values in last for name in values)
        return {name: mean_and_deviation(values.get(name) for values in last) for name in names}

    def confusion(self) -> np.ndarray | None:
        """``(C, C)`` counts after the last step, of all seeds together; None where unknown."""
        found = [pool(run.last["confusions"]) for run in self.runs if run.last.get("confusions")]
        return np.sum(found, axis=0) if len(found) == len(self.runs) else None

    @property
    def carried(self) -> int | None:
        """Bytes that are carried after the last step, the most of any seed."""
        return most(run.last["memory_bytes"] for run in self.runs)

    def costs(self) -> dict[str, str]:
        """What it cost, for reading; of several seeds the mean time and the most memory.

        Returns:
            By the headings of tables: ``time`` of training, all steps together; ``s/iter``, mean
            of the steps after the first, in which methods differ (of the first where it is alone);
            ``parameters`` and ``carried`` after the last step; ``held`` and ``peak``, the most of
            any step.
        """

        def per_iteration(run: RunFiles) -> Value:
            steps = run.results["steps"]
            times = (step["seconds_per_iter"] for step in steps[1:] or steps)
            return mean_and_deviation(time for time in times if time)[0]

        times = [[step["seconds"] for step in run.results["steps"]] for run in self.runs]
        seconds = (None if None in each else sum(each) for each in times)
        steps = [step for run in self.runs for step in run.results["steps"]]
        parameters = self.first.last["parameters"]
        return {
            "time": human_seconds(mean_and_deviation(seconds)[0]),
            "s/iter": format_number(mean_and_deviation(map(per_iteration, self.runs))[0], 3),
            "parameters": MISSING if parameters is None else f"{parameters:,}",
            "carried": human_bytes(self.carried),
            "held": human_bytes(most(step.get("held_bytes") for step in steps)),
            "peak": human_peak(max(steps, key=lambda step: step.get("peak_memory_bytes") or 0)),
        }


def mean_and_deviation(values: Iterable[Value]) -> Pair:
    """Mean and sample standard deviation, ``sqrt(sum((x - mean)^2) / (n - 1))``, of runs' values.

    (None, None) where a value is None; no deviation of a single value.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return mean(known), stdev(known) if len(known) > 1 else None


def group_runs(runs: Sequence[RunFiles]) -> list[Group]:
    """Put together the runs that differ in nothing but the seed.

    These have one method, config, protocol (fingerprint), metric and finished steps. Where a seed
    is there twice, something else was changed, and each run stands for itself.

    Returns:
        The groups, in the order of their first runs, with the letters of their protocols where
        there are several. A group of one has the run's name, if there is one; others that of the
        method, with the config where the method has several.
    """
    letters, _ = protocol_marks(runs)
    ends = endings(runs)
    found: dict[tuple, list[int]] = {}
    for index, run in enumerate(runs):
        key = run.results["method"], run.results["config"], run.comparable
        found.setdefault(key, []).append(index)
    configs = {(method, config) for method, config, _ in found}
    groups: list[tuple[int, Group]] = []
    for (method, config, _), indices in found.items():
        several = sum(other == method for other, _ in configs) > 1
        name = f"{method} ({config})" if several else method
        twice = len({runs[index].results["seed"] for index in indices}) < len(indices)
        for part in [[index] for index in indices] if twice else [indices]:
            first, members = part[0], tuple(runs[index] for index in part)
            own = members[0].name if len(part) == 1 else ""
            own = own or (f"{name} {ends[first]}" if twice else name)
            groups.append((first, Group(own, members, letters[first])))
    return [group for _, group in sorted(groups, key=lambda pair: pair[0])]


def most(values: Iterable[Any]) -> Any:
    """The greatest of the values that are known; None where none is."""
    return max((value for value in values if value is not None), default=None)
