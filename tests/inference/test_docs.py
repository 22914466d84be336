"""The guide's commands and Python lines run as they are written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from vdfd_seg.cli import run_command

PAGE = Path(__file__).parents[2] / "docs/en/user_guides/inference.md"
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


@pytest.fixture(scope="module")
def place(vdfd_run, finetune_run, classifier, scenes, digit_images, clip, tmp_path_factory):
    """A folder in which the guide's names exist."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "work_dirs").mkdir()
    names = {
        "work_dirs/run": vdfd_run.path,
        "work_dirs/other": finetune_run.path,
        "work_dirs/digits": classifier("class").path,
        "images": scenes / "JPEGImages",
        # 60 x 48 pixels, which the pipeline makes smaller.
        "image.jpg": scenes / "JPEGImages" / "val_01.jpg",
        "digits": digit_images,
        "drive.mp4": clip,
    }
    for name, target in names.items():
        (folder / name).symlink_to(target)
    return folder


def test_every_line_in_order(place, monkeypatch, capfd):
    monkeypatch.chdir(place)
    known, commands = {}, 0
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), known)
            continue
        for line in text.splitlines():
            if line.startswith("pip "):
                continue
            tool = re.fullmatch(r"python tools/(infer|export)\.py (.*)", line)
            assert tool, line
            assert run_command(tool[1], shlex.split(tool[2])) == 0, (line, capfd.readouterr().err)
            commands += 1
    assert commands == 11
    # Three ways to the same mask.
    mask = known["mask"]
    assert np.array_equal(mask, known["result"].pred_sem_seg.data[0].numpy())
    assert np.array_equal(mask, known["labels"])
    assert known["said"]["classes"] == known["predict"].classes
    assert known["page"].shape[1] > known["picture"].shape[1] >= mask.shape[1]
    written = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert {
        "overlays/image.png", "overlays/val_00_mask.png", "overlays/drive.mp4",
        "changes/changes.csv", "classes/predictions.csv", "classes/changes.csv",
        "step2.pth", "step2.py", "step2.onnx", "step1.onnx",
    } <= written  # fmt: skip
