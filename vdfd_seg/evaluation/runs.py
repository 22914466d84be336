"""Finished runs with their files, and what tells them apart: names, protocols."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.measures import intransigence, new_task_metric
from vdfd_seg.evaluation.results_file import load_results
from vdfd_seg.utils.nested import difference_text
from vdfd_seg.utils.paths import step_name

Value = float | None


@dataclass(frozen=True)
class RunFiles:
    """A finished run: its results and its files.

    Attributes:
        work_dir: The folder with ``results.json``, ``step_KK/`` and ``samples/``; ``Path()`` where
            it is not known.
        results: The results, as :func:`~vdfd_seg.evaluation.load_results` reads them.
        name: What reports call the run. Default "": its method, made unique.
    """

    work_dir: Path
    results: dict[str, Any]
    name: str = ""

    @property
    def classes(self) -> list[str]:
        """Class names in the network's order; from the last step where the protocol has none."""
        named = self.results["protocol"].get("classes")
        return list(named or self.last["per_class"])

    @property
    def task_names(self) -> list[str]:
        """What the protocol calls its tasks; their numbers where it has no names."""
        tasks = self.results["protocol"]["tasks"]
        named = (task.get("name") if isinstance(task, Mapping) else "" for task in tasks)
        return [name or str(number) for number, name in enumerate(named)]

    @property
    def comparable(self) -> tuple[str, str, tuple[int, ...]]:
        """What must be equal between two runs whose numbers compare."""
        done = tuple(step["step"] for step in self.results["steps"])
        return str(self.results["protocol"]["fingerprint"]), self.results["metric"], done

    @property
    def matrix(self) -> list[list[Value]]:
        """The result matrix."""
        return self.results["matrix"]

    @property
    def last(self) -> dict[str, Any]:
        """What the results hold of the last step."""
        return self.results["steps"][-1]

    def step_dir(self, step: int) -> Path:
        """Folder of a step, ``step_KK``."""
        return self.work_dir / step_name(step)

    def values(self, key: str) -> list[Value]:
        """A value of every step by step number; None where missing."""
        by_step = {step["step"]: step.get(key) for step in self.results["steps"]}
        return [by_step.get(step) for step in range(len(self.matrix))]

    def measure(self, key: str) -> Value:
        """A measure of the summary, or ``new_task``; None where it is not known."""
        if key == "new_task":
            return new_task_metric(self.matrix)
        return self.results["summary"].get(key)


def load_runs(runs: Sequence[RunFiles | Mapping | str | Path]) -> list[RunFiles]:
    """Runs from their work dirs or results; those that are loaded stay as they are.

    Raises:
        InputError: If there are none, or results cannot be used.
    """
    if not runs:
        raise InputError("no runs to report on")
    loaded = []
    for run in runs:
        if isinstance(run, Mapping):
            run = RunFiles(Path(), dict(run))
        elif not isinstance(run, RunFiles):
            # Absolute: "." is a work dir, not an unknown one.
            run = RunFiles(Path(run).absolute(), load_results(run))
        loaded.append(run)
    return loaded


def read_runs(runs: Sequence[RunFiles | Mapping | str | Path]) -> list[RunFiles]:
    """:func:`load_runs`, and give every run that has none a name of its own.

    That is its method. Where runs share it, those of one config with different seeds get the seed,
    others the end of their work dir (or a number, where one is not known).

    Raises:
        InputError: If there are none, results cannot be used, or two given names are the same.
    """
    loaded = load_runs(runs)
    named = []
    for run, end in zip(loaded, endings(loaded)):
        method = run.results["method"]
        same = [each.results for each in loaded if each.results["method"] == method]
        only_seeds = len({each["config"] for each in same}) == 1
        if len(same) > 1 and only_seeds and len({each["seed"] for each in same}) == len(same):
            end = f"seed {run.results['seed']}"
        name = f"{method} {end}" if len(same) > 1 else str(method)
        named.append(replace(run, name=run.name or name))
    names = [run.name for run in named]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two runs are named '{name}'; give them different names")
    return named


def endings(runs: Sequence[RunFiles]) -> list[str]:
    """What tells runs apart: where their folders differ, ``(a/seed_0)``, or a number, ``#1``."""
    if any(run.work_dir == Path() for run in runs):
        return [f"#{number}" for number in range(1, len(runs) + 1)]
    paths = [run.work_dir.resolve() for run in runs]
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


def protocol_marks(runs: Sequence[RunFiles]) -> tuple[list[str], dict[str, str]]:
    """Mark runs whose numbers may not be compared.

    Numbers compare only between runs of one protocol (same fingerprint) and one metric, after the
    same steps.

    Returns:
        A mark for each run (all empty where all compare) and what each mark stands for.
    """
    kinds = [run.comparable for run in runs]
    found = list(dict.fromkeys(kinds))
    if len(found) < 2:
        return [""] * len(runs), {}
    letters = [ascii_lowercase[i] if i < 26 else str(i) for i in range(len(found))]
    notes = {}
    for letter, kind in zip(letters, found):
        protocol, (fingerprint, metric, done) = runs[kinds.index(kind)].results["protocol"], kind
        text = f"{metric} on {protocol['name']} ({describe_protocol(protocol)}), "
        text += f"fingerprint {fingerprint}, after step {done[-1]}"
        whole = done == tuple(range(done[-1] + 1))
        text = text if whole else f"{text} (evaluated: {list(done)})"
        first = runs[0].results["protocol"]
        notes[letter] = text + (f"; from [a] to [{letter}]: {differing(first, protocol)}"
                                if fingerprint != found[0][0] else "")  # fmt: skip
    return [letters[found.index(kind)] for kind in kinds], notes


def differing(first: dict[str, Any], second: dict[str, Any]) -> str:
    """What two protocols of results of other fingerprints differ in, each key with both values."""
    rules = [{k: v for k, v in each.items() if k != "fingerprint"} for each in (first, second)]
    return difference_text(*rules) or "other images, masks or crops"


def with_intransigence(runs: Sequence[RunFiles], joint: dict[str, Any]) -> list[RunFiles]:
    """Runs whose summaries have ``intransigence`` against a run of joint training.

    Args:
        runs: The runs.
        joint: Results of joint training (method ``Joint``) on the same protocol.
    """
    found = []
    for run in runs:
        own, method = run.results, run.results["method"]
        protocols = joint["protocol"], own["protocol"]
        expected, actual = (each["fingerprint"] for each in protocols)
        if actual != expected:
            raise InputError(
                f"--joint: its protocol has fingerprint {expected}, that of {method} {actual}; "
                f"from the one to the other: {differing(*protocols)}."
            )
        if own["metric"] != joint["metric"]:
            raise InputError(
                f"--joint: its metric is {joint['metric']}, that of {method} {own['metric']}."
            )
        if len(joint["matrix"]) < len(run.matrix):
            raise InputError(
                f"--joint: it has {len(joint['matrix'])} steps, {method} has {len(run.matrix)}."
            )
        value = intransigence(run.matrix, joint["matrix"])
        summary = {**own["summary"], "intransigence": value}
        found.append(replace(run, results={**own, "summary": summary}))
    return found
