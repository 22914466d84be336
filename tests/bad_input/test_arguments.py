import shutil

import pytest

from tests.bad_input.damage import assert_says
from tests.tiny import tiny_config

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


def test_evaluation(refused, copied, tmp_path):
    run, file = copied
    for place in (tmp_path, tmp_path / "none"):
        message = refused("test", file, place)
        assert_says(message, str(place), "neither a checkpoint nor a work dir")
    (run / "file").touch()
    message = refused("test", file, run, "--out", run / "file" / "results.json")
    assert_says(message, "--out", "cannot be written")
    assert_says(refused("test", file, run, "--out", run), "--out", "is a folder")
    shutil.rmtree(run / "step_01")
    assert_says(refused("test", file, run, "--step", "1"), "no finished step 1", "0, 2")


def test_images(refused, copied, tmp_path):
    checkpoint, images = copied[0] / "step_01" / "checkpoint.pth", tmp_path / "images"
    arguments = (checkpoint, images, "--out", tmp_path / "out")
    assert_says(refused("infer", *arguments), str(images), "does not exist")
    images.mkdir()
    assert_says(refused("infer", *arguments), str(images), "no images")
    (images / "a.png").write_text("no image")
    assert_says(refused("infer", *arguments), "a.png", "cannot read the image")


def test_report(refused, tmp_path):
    assert_says(refused("report", tmp_path / "none"), str(tmp_path / "none"), "no such file")
    assert_says(refused("report", tmp_path), "results.json")
