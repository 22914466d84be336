"""Bad input: exit status 2, one clear message, no traceback, and nothing trained.

Every case makes something wrong in a copy of the tiny data set, of its config or of a finished
run, and names words that the message must have.
"""

import shutil
from pathlib import Path

import pytest

from tests.tiny import write_config
from vdfd_seg.engine.run import adopt, sequence
from vdfd_seg.engine.run.step_runner import ResumableLoop


@pytest.fixture(autouse=True)
def nothing_trains(monkeypatch):
    """Fails a test in which an iteration or the end of a task begins, outside the rehearsal."""

    def trained(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(ResumableLoop, "run_iter", trained)
    for module in (sequence, adopt):
        monkeypatch.setattr(module, "finish_step", trained)


@pytest.fixture
def check(refused, tmp_path):
    """Refuse a config in ``train`` and ``train --dry-run``; returns the message of the former."""

    def run(config: dict, *arguments, dry=True):
        file = write_config(tmp_path / "tiny.py", config)
        if dry:
            refused("train", file, "--dry-run", "--work-dir", tmp_path / "dry")
            assert not (tmp_path / "dry").exists()
        message = refused("train", file, "--work-dir", tmp_path / "work", *arguments)
        assert not list(tmp_path.rglob("*.pth"))
        if (tmp_path / "work" / "step_00").exists():
            # Whatever was made until then is no run that stands in the way of the next.
            assert refused("train", file, "--work-dir", tmp_path / "work", *arguments) == message
        return message

    return run


@pytest.fixture
def data(scenes, tmp_path):
    """A copy of the tiny data set, to be damaged."""
    return Path(shutil.copytree(scenes, tmp_path / "rectangles"))


@pytest.fixture
def copied(finetune_run, tmp_path):
    """A copy of the finished run with fine-tuning, to be damaged, and its config."""
    run = Path(shutil.copytree(finetune_run.path, tmp_path / "copy"))
    return run, finetune_run.file
