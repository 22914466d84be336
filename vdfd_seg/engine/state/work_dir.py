"""The files of one run."""

import os
import shutil
from pathlib import Path

from mmengine.dist import barrier, is_main_process

from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.errors import InputError
from vdfd_seg.utils.files import atomic_write_text, previous_state, remove_unfinished, writable_dir
from vdfd_seg.utils.paths import step_name

OLD_RESULTS = "results_of_*_tasks.json"
"""Names of the results of fewer tasks that a run had before tasks were added."""


class WorkDir:
    """Where a run keeps its steps, results and report.

    Attributes:
        path: The folder.
        samples: The example images and their labels.
        results: ``results.json``.
        report: ``report.html``.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.samples = self.path / "samples"
        self.results = self.path / "results.json"
        self.report = self.path / "report.html"

    def step(self, step: int) -> Path:
        """Folder of a step."""
        return self.path / step_name(step)

    def checkpoint(self, step: int) -> Path:
        """A finished step's checkpoint."""
        return self.step(step) / "checkpoint.pth"

    def resume(self, step: int) -> Path:
        """State of a step that is being trained."""
        return self.step(step) / "resume.pth"

    def saved_of(self, step: int) -> str:
        """What is saved of a step that was stopped, in words."""
        if self.checkpoint(step).exists():
            return f"step {step} is trained, and its evaluation is left"
        states = (self.resume(step), previous_state(self.resume(step)))
        if any(state.exists() for state in states):
            return f"step {step} is saved"
        return f"nothing of step {step} was saved yet"

    def forget_states(self, step: int) -> None:
        """Remove the states of a finished step."""
        for state in (self.resume(step), previous_state(self.resume(step))):
            state.unlink(missing_ok=True)

    def predictions(self, step: int) -> Path:
        """Index masks of the example images after a step."""
        return self.step(step) / "predictions"

    def set_results_aside(self, tasks: int) -> Path:
        """Rename the results of ``tasks`` tasks, and delete their example images."""
        aside = self.path / OLD_RESULTS.replace("*", str(tasks))
        os.replace(self.results, aside)
        shutil.rmtree(self.samples, ignore_errors=True)
        return aside

    def write_config(self, settings: Settings) -> None:
        """Write the whole config as a file that ``train`` takes, under its own name."""
        path = self.path / f"{settings.name}.py"
        # What is run again from here may not replace itself.
        if is_main_process() and path.resolve() != settings.files[0].resolve():
            atomic_write_text(path, settings.text)

    @property
    def holds_run(self) -> bool:
        """Whether there are results or weights of a step. A refused run leaves neither."""
        return self.results.exists() or any(self.path.glob("step_[0-9]*/*.pth*"))

    def open(self, resume: bool, overwrite: bool) -> None:
        """Make the folder; refuse one that holds a run, unless told to continue or delete it.

        Args:
            resume: Continue with what is there.
            overwrite: What is there will be deleted by :meth:`clear`.
        """
        if is_main_process():
            writable_dir(self.path, "work dir")
            remove_unfinished(self.path)
            if self.holds_run and not resume and not overwrite:
                raise InputError(
                    f"the work dir '{self.path}' already holds a run; give --resume to continue "
                    f"with it, --overwrite to delete it, or another --work-dir."
                )
        barrier()

    def clear(self) -> None:
        """Delete the steps and results that are there."""
        if is_main_process():
            for folder in [*self.path.glob("step_[0-9]*"), self.samples]:
                shutil.rmtree(folder, ignore_errors=True)
            for file in [self.report, self.results, *self.path.glob(OLD_RESULTS)]:
                file.unlink(missing_ok=True)
        barrier()
