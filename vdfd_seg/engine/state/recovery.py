"""Continues a run with a damaged file from its other files."""

import os
from pathlib import Path

from mmengine.dist import barrier, is_main_process

from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import DamagedError, InputError, warn
from vdfd_seg.evaluation import load_results
from vdfd_seg.utils.checkpoint import load_plain, load_step
from vdfd_seg.utils.files import previous_state

SUFFIX = ".damaged"


def recover(run: WorkDir, steps: int, start: bool) -> None:
    """Set the damaged files of a run aside, with a warning for each.

    A step with a damaged checkpoint is trained again from the step before it, or from a state of
    its own. If ``results.json`` is damaged, finished steps are evaluated again.

    Args:
        run: The files.
        steps: How many steps the protocol has.
        start: Whether step 0 is taken from elsewhere and can be taken again. Without, one that was
            taken is refused where it is damaged: training cannot bring it back.
    """
    if is_main_process():
        for step in range(steps):
            path = run.checkpoint(step)
            if path.exists():
                again = "taken" if start and step == 0 else "trained"
                possible = step > 0 or start or _was_trained(run.step(0))
                _set_aside(path, load_step, f"step {step} is {again} again", possible)
        if run.results.exists():
            _set_aside(run.results, load_results, "finished steps are evaluated again")
    barrier()


def last_state(path: Path, warns: bool = True) -> dict | None:
    """The newest undamaged state of an unfinished step; None if there is none.

    Args:
        path: The newest state's file.
        warns: Warn where it is damaged.
    """
    for candidate in filter(Path.exists, (path, previous_state(path))):
        try:
            return load_plain(candidate)
        except DamagedError as error:
            if warns:
                warn(f"{_first_sentence(error)}; the state before it is used, if there is one.")
    return None


def _was_trained(folder):
    """Whether a step was trained here: then it has a folder of MMEngine's logs."""
    return any(entry.is_dir() and entry.name[0].isdigit() for entry in folder.iterdir())


def _set_aside(path, read, consequence, possible=True):
    try:
        read(path)
    except DamagedError as error:
        if not possible:
            raise
        aside = path.with_name(path.name + SUFFIX)
        os.replace(path, aside)
        warn(f"{_first_sentence(error)}; it is kept as '{aside.name}', and {consequence}.")
    except InputError:
        # Whole, but of something else: for those who need it to refuse.
        pass


def _first_sentence(error):
    return str(error).partition("; ")[0]
