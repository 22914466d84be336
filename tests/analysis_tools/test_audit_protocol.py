"""The leak audit finds what leaks, and says so with its exit status."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.fake_cityscapes import names
from tests.tiny import write_config
from vdfd_seg.cli import run_guarded


@pytest.fixture
def run(tool, capsys, stack):
    """Run the audit; returns its exit status and the words of what it printed."""

    def call(*arguments):
        status = run_guarded(tool.main, list(map(str, arguments)))
        out, err = capsys.readouterr()
        assert status != 2 or "vdfd_seg: error:" in err or "masks with ids" in out
        return status, out if status != 2 or out else err

    return call


def rows(text):
    """The table's lines: a step's number, its task and numbers."""
    return [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]


@pytest.fixture
def copied(scenes, tmp_path):
    """A copy of the tiny data set to change, and the options that point at it."""
    root = shutil.copytree(scenes, tmp_path / "data")
    return root, ("--cfg-options", f"data_root={root}")


def test_clean_data_set(run, config_file):
    status, text = run(config_file())
    assert status == 0
    assert [row[2:5] + row[-1:] for row in rows(text)] == [
        ["3", "0", "0.0", "none"], ["5", "0", "0.0", "none"], ["6", "0", "0.0", "none"],
    ]  # fmt: skip


@pytest.mark.parametrize("tested", ["val_05", "val_00"])
def test_copied_file_is_found_by_its_bytes(run, config_file, copied, tested):
    """train_09 is trained on in step 2 alone; val_00 is tested from step 0 on, val_05 in step 2."""
    root, options = copied
    shutil.copy(root / "JPEGImages/train_09.jpg", root / f"JPEGImages/{tested}.jpg")
    status, text = run(config_file(), *options)
    assert status == 1
    assert [row[-1] for row in rows(text)[:3]] == ["none", "none", "LEAKS"]
    assert [row[6] for row in rows(text)[:3]] == ["0", "0", "1"]
    assert f"{root}/JPEGImages/{tested}.jpg = {root}/JPEGImages/train_09.jpg" in text


def test_image_in_both_lists_and_a_link_to_one(run, config_file, copied):
    root, options = copied
    lists = root / "ImageSets/Segmentation"
    (root / "JPEGImages/link.jpg").symlink_to(root / "JPEGImages/train_01.jpg")
    shutil.copy(root / "SegmentationClass/train_01.png", root / "SegmentationClass/link.png")
    (lists / "val.txt").write_text((lists / "val.txt").read_text() + "train_00\nlink\n")
    status, text = run(config_file(), *options)
    assert status == 1
    assert rows(text)[0][2:7] == ["5", "2", "40.0", "%", "0"]


def test_class_without_pixels_and_unknown_ids_are_reported(run, config_file, copied):
    root, options = copied
    for path in (root / "SegmentationClass").glob("val_*.png"):
        mask = np.asarray(Image.open(path)).copy()
        # No cyan to test; id 77 stands where it was.
        mask[mask == 4] = 77
        Image.fromarray(mask).save(path)
    status, text = run(config_file(), *options)
    assert status == 2
    assert rows(text)[2][-2:] == ["cyan", "none"]
    assert "2 masks with ids that the data set does not have" in text
    assert f"{root}/SegmentationClass/val_04.png: 77" in text


@pytest.fixture(scope="module")
def cities(tmp_path_factory):
    """The names of Cityscapes' images, in its order: the training set, then the validation set."""
    path = tmp_path_factory.mktemp("cities") / "names.txt"
    path.write_text("\n".join(names()))
    return path


def city_config(folder):
    protocol = {"type": "Cityscapes", "split": "11-5", "domain_split": "published"}
    return write_config(folder / "cities.py", {"protocol": protocol})


def test_published_cityscapes_leaks_as_it_declares(run, cities, tmp_path):
    status, text = run(city_config(tmp_path), "--names", cities)
    assert status == 0
    assert rows(text)[0][3:] == ["0", "0.0", "%", "none"]
    last = [row for row in rows(text) if "munster" in row[1]][-1]
    assert (last[2], last[4], last[-1]) == ("695", "71.4", "declared")


def test_classification_copies(tool, tiny_arrays, monkeypatch):
    """A test image with the pixels of a training image, under a progress bar."""
    from audit import audit

    from vdfd_seg.datasets import ClassificationData
    from vdfd_seg.protocols import build_protocol

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    train, test = tiny_arrays(4), tiny_arrays(3, seed=1)
    test.images[5] = train.images[7]
    cfg = {"type": "Digits", "tasks": 1, "num_classes": 10}
    (step,), copies, _ = audit(ClassificationData(build_protocol(cfg), train, test))
    assert step.leaks and copies == [("test image 5", "train image 7")]
    assert (step.tested, step.reused, step.copied) == (30, 0, 1)


def test_bad_input(run, config_file, cities, tmp_path):
    config = city_config(tmp_path)
    (tmp_path / "twice.txt").write_text("aachen/a\naachen/a\n")
    for arguments, message in (
        ((config_file(), "--names", cities), "--names is for domain-incremental protocols"),
        ((config, "--names", tmp_path / "none.txt"), "none.txt' cannot be read"),
        ((config, "--names", tmp_path / "twice.txt"), "names 1 images twice"),
        ((config,), "the key 'model' is missing"),
    ):
        status, text = run(*arguments)
        assert status == 2 and message in text
