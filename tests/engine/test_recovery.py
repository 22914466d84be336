"""Damage is found by name, and a run continues from what is whole; a full disk stops it."""

import errno
import os
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.bad_input.damage import flip, truncate
from tests.test_resume import Interrupted, assert_same_run
from vdfd_seg.cli import EXIT_STORAGE, run_command
from vdfd_seg.engine.run import sequence
from vdfd_seg.engine.run.step_runner import ResumableLoop
from vdfd_seg.engine.state.recovery import last_state
from vdfd_seg.registry import METHODS
from vdfd_seg.utils import files
from vdfd_seg.utils.checkpoint import load_plain
from vdfd_seg.utils.files import atomic_write, is_storage_error

TINY = {
    "train_cfg": {"max_iters": 3},
    "step_overrides": {},
    "save_interval": 1,
    "method": {"type": "FineTune"},
    "protocol.tasks": [["background", "red", "green"], ["gold", "blue"]],
}


@pytest.fixture(scope="module")
def finished(train):
    """A run of two steps."""
    return train(config=TINY)


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished.path, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("damage", "file", "says"),
    [
        (flip, "step_00/checkpoint.pth", "step 0 is trained again"),
        (truncate, "step_01/checkpoint.pth", "step 1 is trained again"),
        (truncate, "results.json", "finished steps are evaluated again"),
        (lambda path: path.write_bytes(b"{"), "results.json", "finished steps are evaluated again"),
        (flip, "results.json", "finished steps are evaluated again"),
    ],
)
def test_what_is_damaged_is_made_again(
    finished, copied, train, capfd, trained_steps, damage, file, says
):
    damage(copied / file)
    resumed = train("--resume", file=finished.file, work_dir=copied)
    assert_same_run(resumed, finished, step=1)
    error = capfd.readouterr().err
    assert "vdfd_seg: warning:" in error and says in error
    if file == "results.json":
        assert trained_steps == []
    else:
        assert str(copied / file) in error
        assert (copied / f"{file}.damaged").exists()


def test_a_damaged_start_from_elsewhere_is_not_trained_instead(finished, train, refused):
    start = finished.path / "step_00" / "checkpoint.pth"
    taken = train("--init-from", start, "--steps", "0", file=finished.file)
    flip(taken.path / "step_00" / "checkpoint.pth")
    message = refused("train", finished.file, "--work-dir", taken.path, "--resume")
    assert "is damaged" in message
    arguments = ("--resume", "--init-from", start, "--steps", "0")
    resumed = train(*arguments, file=finished.file, work_dir=taken.path)
    assert resumed.results["steps"][0]["seconds"] == 0


@pytest.mark.parametrize("damaged", [False, True])
def test_what_fails_after_training_does_not_train_it_again(train, monkeypatch, tmp_path, damaged):
    """At the end of the task; nor all of it where the last state is damaged. Evaluation:
    test_resume.py."""
    whole = train(config={**TINY, "method": {"type": "RCIL"}})

    def fails(*_):
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(sequence, "rehearse", lambda *_: None)
        patch.setattr(METHODS.get("RCIL"), "after_task", fails)
        with pytest.raises(Interrupted):
            run_command("train", [str(whole.file), "--work-dir", str(tmp_path / "work")])
    state = tmp_path / "work" / "step_00" / "resume.pth"
    assert load_plain(files.previous_state(state))["iteration"] == 2
    if damaged:
        truncate(state)
    run_iter, iterations = ResumableLoop.run_iter, []
    monkeypatch.setattr(
        ResumableLoop,
        "run_iter",
        lambda loop, batch: iterations.append(loop._iter) or run_iter(loop, batch),
    )
    run = train("--resume", file=whole.file, work_dir=tmp_path / "work")
    assert iterations == [*([2] if damaged else []), 0, 1, 2]
    assert_same_run(run, whole, step=1)
    assert not list(run.path.rglob("resume*.pth"))


class TestFullDisk:
    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_is_told_and_other_errors_are_not_taken_for_it(self, tmp_path, error):
        def full(number):
            raise OSError(number, os.strerror(number))

        with pytest.raises(OSError, match=os.strerror(error)) as caught:
            atomic_write(tmp_path / "file", lambda file: full(error))
        assert is_storage_error(caught.value) and caught.value.filename == str(tmp_path / "file")
        with pytest.raises(PermissionError) as caught:
            atomic_write(tmp_path / "file", lambda file: full(errno.EACCES))
        assert not is_storage_error(caught.value)

    @pytest.mark.parametrize(
        "write",
        [
            lambda file: torch.save(torch.zeros(2**20), file),
            lambda file: Image.effect_noise((900, 900), 80).save(file, "PNG"),
            lambda file: np.savez(file, np.zeros(2**20)),
            lambda file: file.write(bytes(2**20)),
        ],
        ids=["torch", "pillow", "numpy", "bytes"],
    )
    def test_is_told_whatever_the_writer_makes_of_it(self, tmp_path, write):
        """The limit of the operating system on a file's size stands for a full disk."""
        path = tmp_path / "file"
        atomic_write(path, write)
        size, (limit, hard) = path.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
        assert size > 500_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                atomic_write(path, write)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        assert is_storage_error(caught.value)
        assert (path.stat().st_size, os.listdir(tmp_path)) == (size, ["file"])

    def test_a_run_stops_and_goes_on_when_there_is_room(
        self, finished, train, monkeypatch, tmp_path, capfd
    ):
        work_dir, saves = tmp_path / "work", []
        replace = files._replace

        def full(path, write, durable):
            if path.name == "resume.pth":
                saves.append(path)
                if len(saves) == 3:
                    raise OSError(errno.ENOSPC, "No space left on device")
            return replace(path, write, durable)

        with monkeypatch.context() as patch:
            patch.setattr(files, "_replace", full)
            arguments = [str(finished.file), "--work-dir", str(work_dir)]
            assert run_command("train", arguments) == EXIT_STORAGE
        error = capfd.readouterr().err
        assert "resume.pth' (No space left on device)" in error
        assert "Traceback" not in error
        assert last_state(saves[0])["iteration"] == 2
        assert_same_run(train("--resume", file=finished.file, work_dir=work_dir), finished, step=1)
