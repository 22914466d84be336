import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from tools.dataset_converters import digit_scenes as tool
from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets import write_digit_scenes as write
from vdfd_seg.datasets.embedded.digit_scenes_render import digit_pool, photo_strips, render_scene
from vdfd_seg.datasets.segmentation.index import build_index
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.digit_scenes import PALETTE as DIGIT_SCENES_PALETTE

SMALL = {"num_train": 20, "num_val": 10, "size": (48, 64)}


def content(root):
    """The bytes of every file below ``root``, by relative path."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("digits") / "DigitScenes", **SMALL)


def test_layout_and_kinds_of_images_are_those_of_voc(written):
    train = (written / "ImageSets/Segmentation/train.txt").read_text().split()
    val = (written / "ImageSets/Segmentation/val.txt").read_text().split()
    assert (len(train), len(val)) == (20, 10)
    assert not set(train) & set(val)
    assert {path.stem for path in written.glob("JPEGImages/*.jpg")} == {*train, *val}
    assert {path.stem for path in written.glob("SegmentationClass/*.png")} == {*train, *val}
    assert json.loads((written / "dataset.json").read_text())["num_train"] == 20
    image = Image.open(written / "JPEGImages/train_00000.jpg")
    mask = Image.open(written / "SegmentationClass/train_00000.png")
    assert image.size == mask.size == (64, 48)
    assert (image.mode, mask.mode) == ("RGB", "P")
    assert mask.getpalette()[: 3 * 11] == [c for colour in DIGIT_SCENES_PALETTE for c in colour]


def test_masks_hold_every_class_and_no_other_id(written):
    items = [
        {
            "name": path.stem,
            "img_path": path,
            "seg_map_path": written / "SegmentationClass" / f"{path.stem}.png",
        }
        for path in sorted(written.glob("JPEGImages/*.jpg"))
    ]
    index = build_index(items, num_classes=11)
    train = np.array([name.startswith("train") for name in index.names])
    for digit in range(1, 11):
        holds = index.holds([digit])
        assert holds[train].sum() >= 2
        assert holds[~train].sum() >= 1
    several = (index.counts[:, 1:11] > 0).sum(axis=1) > 1
    assert several.any()
    assert not several.all()


def test_digits_never_touch_background_without_void_between(written):
    for path in written.glob("SegmentationClass/*"):
        mask = np.asarray(Image.open(path))
        digit = (mask > 0) & (mask < 255)
        around = ndimage.binary_dilation(digit, np.ones((3, 3)))
        assert not (around & (mask == 0)).any()


def test_two_writes_are_equal_and_another_seed_differs(written, tmp_path):
    assert content(write(tmp_path / "again", **SMALL)) == content(written)
    other = content(write(tmp_path / "other", **SMALL, seed=1))
    assert other["JPEGImages/train_00000.jpg"] != content(written)["JPEGImages/train_00000.jpg"]


def test_splits_share_no_scanned_digit():
    used = {"train": set(), "val": set()}
    for split, samples in used.items():
        for number in range(20):
            samples.update(render_scene(split, number, (48, 48), 0)[2])
    assert used["train"]
    assert used["val"]
    assert not used["train"] & used["val"]
    for digit in range(10):
        train, val = digit_pool("train", digit), digit_pool("val", digit)
        assert not set(train) & set(val)
        assert 2.5 < len(train) / len(val) < 3.5


@pytest.mark.parametrize("photo", [0, 1])
def test_splits_share_no_part_of_a_photograph(photo):
    columns = {
        split: {c for start, end in photo_strips(split, photo, 640) for c in range(start, end)}
        for split in ("train", "val")
    }
    assert not columns["train"] & columns["val"]
    assert min(len(part) for part in columns.values()) > 100


def test_the_tool_replaces_a_set_with_other_parameters(written, tmp_path, capsys):
    copy = shutil.copytree(written, tmp_path / "copy")
    argv = [str(copy), "--num-train", "2", "--num-val", "1", "--size", "48", "56"]
    assert run_guarded(tool.main, argv) == 0
    assert str(copy) in capsys.readouterr().out
    assert len(list(copy.glob("JPEGImages/*"))) == 3
    assert Image.open(copy / "JPEGImages/val_00000.jpg").size == (56, 48)
    assert not list(tmp_path.glob("*.partial")) + list(tmp_path.glob("*.outdated"))


@pytest.mark.parametrize(
    "wrong", [{"num_train": 0}, {"num_val": 0}, {"size": (96,)}, {"size": (8, 96)}, {"seed": -1}]
)
def test_arguments_out_of_range(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        write(tmp_path / "set", **{**SMALL, **wrong})
    assert not (tmp_path / "set").exists()
