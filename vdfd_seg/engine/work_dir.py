"""The files of one run."""

import shutil
from pathlib import Path

from mmengine.dist import barrier, is_main_process

from vdfd_seg.errors import InputError
from vdfd_seg.files import previous_state, remove_unfinished, writable_dir
from vdfd_seg.paths import step_name


class WorkDir:
    """Where a run keeps its steps, results and report.

    Args:
        path: The folder.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def step(self, step: int) -> Path:
        """Folder of a step."""
        return self.path / step_name(step)

    def checkpoint(self, step: int) -> Path:
        """A finished step's checkpoint."""
        return self.step(step) / "checkpoint.pth"

    def resume(self, step: int) -> Path:
        """State of a step that is being trained."""
        return self.step(step) / "resume.pth"

    def previous_resume(self, step: int) -> Path:
        """The state before that, for the case that the newer one is damaged."""
        return previous_state(self.resume(step))

    def forget_states(self, step: int) -> None:
        """Remove what a step that is finished needed while it trained."""
        self.resume(step).unlink(missing_ok=True)
        self.previous_resume(step).unlink(missing_ok=True)

    def predictions(self, step: int) -> Path:
        """Index masks of the example images after a step."""
        return self.step(step) / "predictions"

    @property
    def samples(self) -> Path:
        """The example images and their labels."""
        return self.path / "samples"

    @property
    def results(self) -> Path:
        """``results.json``."""
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        """``report.html``."""
        return self.path / "report.html"

    def open(self, resume: bool, overwrite: bool) -> None:
        """Make the folder, unless it holds a run that was not asked to be touched.

        Args:
            resume: Go on with what is there.
            overwrite: Delete the steps and results that are there.

        Raises:
            InputError: When the folder cannot be written, or holds results and
                neither is asked for.
        """
        if is_main_process():
            writable_dir(self.path, "work dir")
            remove_unfinished(self.path)
            steps = sorted(self.path.glob("step_[0-9]*"))
            if self.results.exists() or steps:
                if overwrite:
                    for folder in [*steps, self.samples]:
                        shutil.rmtree(folder, ignore_errors=True)
                    self.results.unlink(missing_ok=True)
                    self.report.unlink(missing_ok=True)
                elif not resume:
                    raise InputError(
                        f"the work dir '{self.path}' already holds a run; give --resume to go on "
                        f"with it, --overwrite to delete it, or another --work-dir."
                    )
        barrier()
