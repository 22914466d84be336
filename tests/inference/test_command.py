"""``vdfd_seg infer``: videos, batches, classifiers, two steps compared."""

import re
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.inference.conftest import evaluated, rows_of
from vdfd_seg.cli import run_command
from vdfd_seg.datasets import image_files
from vdfd_seg.datasets.image_files import find_images
from vdfd_seg.inference import load_predictor
from vdfd_seg.inference.video import VideoReader


@pytest.fixture
def infer(capfd):
    """Run the command; returns its status and what it printed."""

    def run(*arguments):
        status = run_command("infer", list(map(str, arguments)))
        out, error = capfd.readouterr()
        assert "Traceback" not in error
        return status, " ".join((out if status == 0 else error).split())

    return run


class TestImages:
    def test_inputs_are_never_overwritten(self, infer, vdfd_run, tmp_path):
        Image.new("RGB", (48, 48)).save(tmp_path / "a.png")
        before = (tmp_path / "a.png").read_bytes()
        status, error = infer(vdfd_run.path, tmp_path, "--out", tmp_path)
        assert status == 2 and "would overwrite the input" in error
        assert (tmp_path / "a.png").read_bytes() == before

    def test_folders_as_people_have_them(self, infer, vdfd_run, scenes, tmp_path):
        """Images of one stem, in folders below, hidden, behind links, and what is no image."""
        folder, elsewhere = tmp_path / "in", tmp_path / "elsewhere"
        for made in (folder / ".thumbs", folder / "below", elsewhere):
            made.mkdir(parents=True)
        image = scenes / "JPEGImages/val_00.jpg"
        shown = ("a.jpg", "a.JPEG", "below/a.jpg", "a b.JPG", "道.jpeg", f"{'x' * 200}.jpg")
        for name in (*shown, ".thumbs/a.jpg"):
            shutil.copy(image, folder / name)
        shutil.copy(image, elsewhere / "c.jpg")
        (folder / "link").symlink_to(elsewhere)
        (elsewhere / "up").symlink_to(folder)
        (folder / "folder.jpg").mkdir()
        for name in ("._a b.JPG", ".DS_Store", "Thumbs.db", "notes.txt"):
            (folder / name).write_bytes(b"no image")
        expected = {"a.jpg.png", "a.JPEG.png", "below/a.png", "a b.png", "道.png",
                    f"{'x' * 200}.png", "link/c.png"}  # fmt: skip
        for out in (tmp_path / "out", folder / "out", folder / "out"):
            assert infer(vdfd_run.path, folder, "--out", out)[0] == 0
            assert {p.relative_to(out).as_posix() for p in out.rglob("*.png")} == expected

    def test_what_is_left_out_is_said(self, scenes, tmp_path, monkeypatch):
        lines = []
        monkeypatch.setattr(image_files, "warn", lines.append)
        shutil.copy(scenes / "JPEGImages/val_00.jpg", tmp_path)
        assert len(find_images(tmp_path)) == 1 and lines == []
        for name in ("a.heic", "b.heic", "c.json", ".hidden.json"):
            (tmp_path / name).write_bytes(b"no image")
        assert len(find_images(tmp_path)) == 1
        assert "3 files" in lines[0] and lines[0].endswith("): .heic, .json")

    def test_masks_and_pictures_of_one_name(self, infer, vdfd_run, scenes, tmp_path):
        folder = tmp_path / "in"
        folder.mkdir()
        for name in ("a.jpg", "a_mask.jpg"):
            shutil.copy(scenes / "JPEGImages/val_00.jpg", folder / name)
        status, error = infer(vdfd_run.path, folder, "--out", tmp_path / "out", "--masks")
        assert status == 2 and "leave --masks out" in error
        assert infer(vdfd_run.path, folder, "--out", tmp_path / "out")[0] == 0


class TestVideo:
    def test_a_frame_a_frame(self, infer, vdfd_run, clip, tmp_path):
        status, text = infer(vdfd_run.path, clip, "--out", tmp_path, "--masks", "--batch-size", 3)
        assert status == 0 and "7 frames" in text
        source, written = VideoReader(clip), VideoReader(tmp_path / "drive.mp4")
        assert (written.frames, written.rate) == (7, 5.0)
        assert next(iter(written)).shape[0] > 48  # The legend is below.
        predict = load_predictor(vdfd_run.path)
        masks = sorted((tmp_path / "drive_masks").iterdir())
        assert [path.name for path in masks] == [f"{k:06d}.png" for k in range(7)]
        for frame, path in zip(source, masks, strict=True):
            assert np.array_equal(predict(frame), np.asarray(Image.open(path)))

    def test_what_can_be_read_of_a_video_is_written(self, infer, vdfd_run, tmp_path):
        path = tmp_path / "long.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10.0, (48, 48))
        noise = np.random.default_rng(0)
        for _ in range(20):
            writer.write(noise.integers(0, 255, (48, 48, 3)).astype(np.uint8))
        writer.release()
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        status, error = infer(vdfd_run.path, path, "--out", tmp_path / "out", "--batch-size", 4)
        assert status == 2
        readable = int(re.search(r"cut off: (\d+) of its 20 frames", error)[1])
        assert 4 < readable < 16
        written = VideoReader(tmp_path / "out" / "long.mp4").frames
        assert written == readable
        assert [p.name for p in (tmp_path / "out").iterdir()] == ["long.mp4"]


def test_differences_of_two_steps_of_a_work_dir(infer, vdfd_run, scenes, tmp_path):
    images = scenes / "JPEGImages"
    status, text = infer(vdfd_run.path, images, "--out", tmp_path, "--diff", 0, 2)
    assert status == 0
    names = {path.stem for path in images.iterdir()}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    rows = rows_of(tmp_path / "changes.csv")
    changed = sum(int(row["pixels"]) for row in rows)
    assert changed > 0 and f"{changed} of " in text
    assert {row["image"] for row in rows} <= {f"{name}.jpg" for name in names}
    assert all(row["from"] != row["to"] for row in rows)


class TestClassifiers:
    def test_a_line_an_image(self, infer, classifier, digit_images, tmp_path):
        run = classifier("class")
        status, text = infer(run.path, digit_images, "--out", tmp_path, "--batch-size", 16)
        assert status == 0 and "120 images with the 6 classes of step 2" in text
        rows = rows_of(tmp_path / "predictions.csv")
        expected = evaluated(run)
        assert len(rows) == 120
        for row in rows:
            place = int(row["image"].removesuffix(".png"))
            assert row["predicted"] == expected.get(place, row["predicted"])
            assert 1 / 6 <= float(row["score"]) <= 1
        status, error = infer(run.path, digit_images, "--out", tmp_path, "--masks")
        assert status == 2 and "--masks is for segmentation" in error

    def test_a_task(self, infer, classifier, digit_images, tmp_path):
        run = classifier("task")
        status, text = infer(run.path, digit_images, "--out", tmp_path, "--task", 1)
        assert status == 0 and "all tasks compete" not in text
        found = {row["predicted"] for row in rows_of(tmp_path / "predictions.csv")}
        assert found <= {"two", "three"}
        text = infer(run.path, digit_images, "--out", tmp_path)[1]
        assert "the classes of all tasks compete" in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--batch-size", "0"], "--batch-size 0 must be 1 or more"),
        (["--alpha", "1.5"], "--alpha 1.5 must be in 0 to 1"),
        (["--diff", "0", "2", "--masks"], "--diff goes with neither --masks nor --step"),
        (["--diff", "0", "1", "2"], "give two steps of a work dir"),
        (["--diff", "0", "9"], "no finished step 9"),
        (["--diff", "2"], "checkpoint '2' does not exist"),
        (["--step", "9"], "no finished step 9"),
        (["--task", "0"], "a task can only be given to a classifier's"),
    ],
)
def test_bad_arguments_are_one_message(infer, vdfd_run, scenes, tmp_path, arguments, expected):
    out = tmp_path / "out"
    status, error = infer(vdfd_run.path, scenes / "JPEGImages", "--out", out, *arguments)
    assert status == 2 and expected in error
    assert not out.exists()
