"""Finished runs with their files, and what tells them apart: names, protocols."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.files import load_results
from vdfd_seg.evaluation.measures import new_task_metric
from vdfd_seg.utils.nested import told
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

    @classmethod
    def load(cls, work_dir: str | Path, name: str = "") -> "RunFiles":
        """Read the results of a work dir; InputError if there are none that can be used."""
        return cls(Path(work_dir), load_results(work_dir), name)

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


def read_runs(runs: Sequence[RunFiles | str | Path]) -> list[RunFiles]:
    """Load work dirs that are not loaded yet and give every run a name of its own.

    Raises:
        InputError: If there are none, results cannot be used, or two given names are the same.
    """
    if not runs:
        raise InputError("no runs to report on")
    loaded = [run if isinstance(run, RunFiles) else RunFiles.load(run) for run in runs]
    automatic = run_names([run.results for run in loaded], [run.work_dir for run in loaded])
    names = [run.name or name for run, name in zip(loaded, automatic)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two runs are named '{name}'; give them different names")
    return [replace(run, name=name) for run, name in zip(loaded, names)]


def run_names(
    results: Sequence[dict[str, Any]], folders: Sequence[str | Path] | None = None
) -> list[str]:
    """A different name for each run: its method, and where that is shared, what tells it apart.

    Runs of one method and config with different seeds get the seed, others the end of their work
    dir (or a number, where no work dirs are given).
    """
    names = [str(run["method"]) for run in results]
    ends = endings(len(names), folders)
    shared = {name: [i for i, n in enumerate(names) if n == name] for name in names}
    for name, runs in shared.items():
        seeds = {results[i]["seed"] for i in runs}
        only_seeds = len({results[i]["config"] for i in runs}) == 1 and len(seeds) == len(runs)
        for i in runs if len(runs) > 1 else []:
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

    Returns:
        A mark for each run (all empty where all compare) and what each mark stands for.
    """
    kinds = [comparable(run) for run in results]
    found = list(dict.fromkeys(kinds))
    if len(found) < 2:
        return [""] * len(results), {}
    letters = [ascii_lowercase[i] if i < 26 else str(i) for i in range(len(found))]
    notes = {}
    for letter, kind in zip(letters, found):
        protocol, (fingerprint, metric, done) = results[kinds.index(kind)]["protocol"], kind
        text = f"{metric} on {protocol['name']} ({describe_protocol(protocol)}), "
        text += f"fingerprint {fingerprint}, after step {done[-1]}"
        whole = done == tuple(range(done[-1] + 1))
        text = text if whole else f"{text} (evaluated: {list(done)})"
        first = results[0]["protocol"]
        notes[letter] = text + (f"; from [a] to [{letter}]: {differing(first, protocol)}"
                                if fingerprint != found[0][0] else "")  # fmt: skip
    return [letters[found.index(kind)] for kind in kinds], notes


def differing(first: dict[str, Any], second: dict[str, Any]) -> str:
    """What two protocols of results of other fingerprints differ in, each key with both values."""
    rules = [{k: v for k, v in each.items() if k != "fingerprint"} for each in (first, second)]
    return told(*rules) or "other images, masks or crops"


def comparable(run: dict[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    """What must be equal between two runs whose numbers compare."""
    done = tuple(step["step"] for step in run["steps"])
    return str(run["protocol"]["fingerprint"]), run["metric"], done
