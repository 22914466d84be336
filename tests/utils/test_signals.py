"""Signals save and leave; a requeued job is put back; a full disk leaves what was saved."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.python_process import ROOT, one_thread_environment
from tests.test_resume import SHORT, assert_same_run
from vdfd_seg.cli import run_command
from vdfd_seg.engine.run import sequence
from vdfd_seg.engine.run.step_runner import ResumableLoop
from vdfd_seg.methods import VDFD
from vdfd_seg.utils import signals as stopping
from vdfd_seg.utils.checkpoint import load_plain

LONG = {**SHORT, "save_interval": 50}
"""Nothing is saved on the way but for the signal."""


@pytest.fixture(scope="module")
def whole(train):
    """A run that is not stopped."""
    return train(config=LONG)


@pytest.fixture
def stop_at(monkeypatch):
    """Send this process a signal when iteration ``at`` of step ``step`` begins."""

    def patch(number, step, at, times=1):
        done = ResumableLoop.run_iter

        def signalled(self, batch):
            if Path(self.runner.work_dir).name == f"step_{step:02d}" and self._iter == at:
                for _ in range(times):
                    os.kill(os.getpid(), number)
            return done(self, batch)

        monkeypatch.setattr(ResumableLoop, "run_iter", signalled)

    return patch


@pytest.mark.parametrize("number", stopping.SIGNALS, ids=lambda n: n.name)
def test_the_iteration_is_finished_and_saved(
    whole, train, stop_at, monkeypatch, tmp_path, capfd, number
):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.delenv("SLURM_JOB_ID", raising=False)
        stop_at(number, step=1, at=1)
        arguments = [str(whole.file), "--work-dir", str(tmp_path / "work")]
        assert run_command("train", arguments) == 128 + number
        patch.undo()
    assert f"stopped by {number.name}; step 1 is saved. Type" in capfd.readouterr().err
    assert signal.getsignal(number) is before
    assert load_plain(tmp_path / "work" / "step_01" / "resume.pth")["iteration"] == 2
    monkeypatch.undo()
    if number is signal.SIGTERM:
        resumed = train("--resume", file=whole.file, work_dir=tmp_path / "work")
        assert_same_run(resumed, whole)


@pytest.mark.parametrize(
    ("option", "advice"),
    [
        ("--seed=3", "Type the same command with --resume to continue."),
        ("--overwrite", "Type the same command with --resume in place of --overwrite to continue."),
        ("--resume", "The same command continues."),
    ],
)
def test_the_second_signal_does_not_wait(whole, stop_at, tmp_path, capfd, option, advice):
    stop_at(signal.SIGTERM, step=0, at=1, times=2)
    arguments = [str(whole.file), "--work-dir", str(tmp_path / "work"), option]
    assert run_command("train", arguments) == 143
    assert not (tmp_path / "work" / "step_00" / "resume.pth").exists()
    message = f"stopped by SIGTERM; nothing of step 0 was saved yet. {advice}\n"
    assert message in capfd.readouterr().err


@pytest.mark.parametrize(
    "owner, name", [(VDFD, "after_task"), (sequence, "evaluate_step")], ids=lambda x: str(x)
)
def test_where_nothing_trains_the_run_is_left_at_once(whole, monkeypatch, tmp_path, owner, name):
    monkeypatch.setattr(owner, name, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    arguments = [str(whole.file), "--work-dir", str(tmp_path / "work"), "--steps", "0"]
    arguments += ["--cfg-options", "rehearsal=False"]
    assert run_command("train", arguments) == 143
    kept = "resume.pth" if owner is VDFD else "checkpoint.pth"
    assert load_plain(tmp_path / "work" / "step_00" / kept)


def test_several_processes_ask_each_other_after_the_last_iteration_too(monkeypatch):
    """Evaluation comes next, and a launcher does not wait that long."""
    monkeypatch.setattr(stopping, "get_world_size", lambda: 2)
    monkeypatch.setattr(stopping, "all_reduce", lambda *_: None)
    monkeypatch.setattr(stopping._State, "number", signal.SIGTERM)
    asked = [stopping.asked_to_stop(done, last=done == 7) for done in range(4, 8)]
    assert asked == [0, signal.SIGTERM, 0, signal.SIGTERM]


def test_a_real_process_is_stopped_by_a_signal_to_its_group(config_file, tmp_path):
    """With a process that loads images, which the signal must not end first."""
    endless = {"train_cfg": {"max_iters": 5000}, "train_dataloader.num_workers": 1}
    command = [sys.executable, ROOT / "tools/train.py", config_file({**LONG, **endless}),
               "--work-dir", tmp_path / "work"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               env=one_thread_environment())  # fmt: skip
    state = tmp_path / "work" / "step_00" / "resume.pth"
    deadline = time.monotonic() + 240
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 143, error
    assert "Traceback" not in error
    assert load_plain(state)["iteration"] % LONG["save_interval"] or "at once" not in error


class TestSlurm:
    @pytest.fixture
    def scontrol(self, tmp_path, monkeypatch):
        """A command that notes its arguments."""
        notes = tmp_path / "notes"
        command = tmp_path / "bin" / "scontrol"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\necho "$@" >> {notes}\n')
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(command.parent), prepend=os.pathsep)
        monkeypatch.setenv("SLURM_JOB_ID", "42")
        monkeypatch.delenv("SLURM_PROCID", raising=False)
        return notes

    @pytest.mark.parametrize(
        ("number", "changes"),
        [
            (signal.SIGUSR1, {}),
            (signal.SIGTERM, {}),
            (signal.SIGUSR1, {"SLURM_PROCID": "1"}),
            (signal.SIGUSR1, {"SLURM_JOB_ID": None}),
        ],
        ids=["the warning", "SIGTERM", "another process", "no Slurm"],
    )
    def test_only_the_warning_requeues(self, scontrol, monkeypatch, number, changes):
        for name, value in changes.items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
        warned = number == signal.SIGUSR1 and not changes
        assert stopping.requeue(number) == warned
        assert scontrol.exists() == warned
        assert not warned or scontrol.read_text() == "requeue 42\n"

    def test_a_failure_is_told(self, scontrol, tmp_path, capsys):
        (tmp_path / "bin" / "scontrol").write_text("#!/bin/sh\necho no such job >&2; exit 1\n")
        assert not stopping.requeue(signal.SIGUSR1)
        assert "job 42 is not requeued: no such job" in capsys.readouterr().err

    @pytest.mark.parametrize("restarts", ["", "1"])
    def test_the_batch_script_goes_on_when_it_is_requeued(self, tmp_path, restarts):
        """sbatch runs what it is given, srun notes what it is called with."""
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "sbatch").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/sbatch\nexec bash -s\n')
        (folder / "srun").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/srun\n')
        for command in folder.iterdir():
            command.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                       "SLURM_RESTART_COUNT": restarts}  # fmt: skip
        subprocess.run(
            ["bash", str(ROOT / "tools/slurm_train.sh"), "part", "job", "a b.py", "--overwrite"],
            check=True, env=environment, timeout=60,
        )  # fmt: skip
        submitted, started = ((tmp_path / name).read_text() for name in ("sbatch", "srun"))
        assert "--signal=USR1@120" in submitted
        assert "--requeue" in submitted
        assert "a b.py --launcher slurm" in started
        assert ("--resume" in started, "--overwrite" in started) == (
            (True, False) if restarts else (False, True)
        )
