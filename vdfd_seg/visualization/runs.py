"""The files of finished runs that a report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.files import load_results
from vdfd_seg.evaluation.table import run_names
from vdfd_seg.paths import step_name
from vdfd_seg.visualization.overlay import default_palette


@dataclass(frozen=True)
class RunFiles:
    """A work dir with its results.

    Attributes:
        work_dir: The folder with ``results.json``, ``step_KK/`` and ``samples/``.
        results: The results, as :func:`~vdfd_seg.evaluation.load_results` reads them.
        name: What the report calls the run. Default "": its method, made unique.
    """

    work_dir: Path
    results: dict[str, Any]
    name: str = ""

    @classmethod
    def load(cls, work_dir: str | Path, name: str = "") -> "RunFiles":
        """Read the results of a work dir.

        Args:
            work_dir: The folder.
            name: What the report calls the run.

        Raises:
            InputError: If there are no usable results.
        """
        return cls(Path(work_dir), load_results(work_dir), name)

    @property
    def classes(self) -> list[str]:
        """Class names in the network's order; from the last step where the protocol has none."""
        named = self.results["protocol"].get("classes")
        return list(named or self.results["steps"][-1]["per_class"])

    @property
    def palette(self) -> list[list[int]]:
        """RGB of each class; VOC's colour map where the protocol has none that fits."""
        given = self.results["protocol"].get("palette") or []
        return given if len(given) >= len(self.classes) else default_palette(len(self.classes))

    def step_dir(self, step: int) -> Path:
        """Folder of a step, ``step_KK``."""
        return self.work_dir / step_name(step)

    def values(self, key: str) -> list[float | None]:
        """A value of every step by step number; None where missing."""
        by_step = {step["step"]: step.get(key) for step in self.results["steps"]}
        return [by_step.get(step) for step in range(len(self.results["matrix"]))]


def read_runs(runs: Sequence[RunFiles | str | Path]) -> list[RunFiles]:
    """Load work dirs that are not loaded yet and give every run a name of its own.

    Args:
        runs: Runs or their work dirs.

    Returns:
        The runs, in order.

    Raises:
        InputError: If there are none, results cannot be used, or two given names are the same.
    """
    if not runs:
        raise InputError("no runs to report on")
    loaded = [run if isinstance(run, RunFiles) else RunFiles.load(run) for run in runs]
    automatic = run_names([run.results for run in loaded], [run.work_dir for run in loaded])
    names = [run.name or name for run, name in zip(loaded, automatic, strict=True)]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two runs are named '{name}'; give them different names")
    return [
        RunFiles(run.work_dir, run.results, name) for run, name in zip(loaded, names, strict=True)
    ]
