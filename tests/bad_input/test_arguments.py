import shutil

import pytest

from tests.bad_input.damage import assert_says
from tests.tiny import tiny_config
from vdfd_seg.cli import run_command

ARGUMENTS = {
    "half an option": (["--cfg-options", "a"], "--cfg-options", "'a'", "KEY=VALUE"),
    "slice of no step": (["--steps", "3:5"], "--steps '3:5'", "names no step"),
    "after an unfinished step": (["--steps", "1:"], "step 0 is not finished"),
    "no start": (["--init-from", "no/checkpoint.pth"], "'no/checkpoint.pth' does not exist"),
    "no torchrun": (["--launcher", "pytorch"], "--launcher pytorch", "RANK", "dist_train.sh"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(check, scenes, case, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    arguments, *words = ARGUMENTS[case]
    assert_says(check(tiny_config(scenes), *arguments, dry=False), *words)


class TestEvaluation:
    @pytest.mark.parametrize("place", ["", "none"])
    def test_folder_that_is_empty_or_not_there(self, refused, config_file, tmp_path, place):
        message = refused("test", config_file(), tmp_path / place)
        assert_says(message, str(tmp_path / place), "neither a checkpoint nor a work dir")

    def test_step_that_is_not_there(self, refused, copied):
        run, file = copied
        shutil.rmtree(run / "step_01")
        message = refused("test", file, run, "--step", "1")
        assert_says(message, "no finished step 1", "0, 2")

    def test_results_cannot_be_written(self, refused, copied):
        run, file = copied
        (run / "file").touch()
        message = refused("test", file, run, "--out", run / "file" / "results.json")
        assert_says(message, "--out", "cannot be written")
        assert_says(refused("test", file, run, "--out", run), "--out", "is a folder")


# Commands that argparse refuses itself leave by SystemExit, with its usage text.
USAGE = {
    "train without a config": ("train", [], "config"),
    "train with an unknown launcher": ("train", ["c.py", "--launcher", "mpi"], "--launcher"),
    "train with two choices": ("train", ["c.py", "--resume", "--overwrite"], "--overwrite"),
    "test with two choices": ("test", ["c", "w", "--step", "1", "--all-steps"], "--all-steps"),
}


@pytest.mark.parametrize("case", USAGE)
def test_usage(capfd, case):
    command, arguments, word = USAGE[case]
    with pytest.raises(SystemExit) as left:
        run_command(command, arguments)
    assert left.value.code == 2
    error = capfd.readouterr().err
    assert word in error
    assert "Traceback" not in error


class TestInference:
    @pytest.fixture
    def checkpoint(self, copied):
        return copied[0] / "step_01" / "checkpoint.pth"

    def test_images(self, refused, checkpoint, tmp_path):
        images = tmp_path / "images"
        arguments = (checkpoint, images, "--out", tmp_path / "out")
        assert_says(refused("infer", *arguments), str(images), "does not exist")
        images.mkdir()
        assert_says(refused("infer", *arguments), str(images), "no images")
        (images / "a.png").write_text("no image")
        assert_says(refused("infer", *arguments), "a.png", "cannot read the image")


def test_report(refused, tmp_path):
    assert_says(refused("report", tmp_path / "none"), str(tmp_path / "none"), "no such file")
    assert_says(refused("report", tmp_path), "results.json")
