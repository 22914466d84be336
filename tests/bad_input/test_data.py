import shutil
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.bad_input.damage import assert_says
from tests.tiny import tiny_config
from vdfd_seg.cli import run_command

LIST = "ImageSets/Segmentation/train.txt"
IMAGE = "JPEGImages/train_03.jpg"
MASK = "SegmentationClass/train_03.png"


def listed(line):
    """One image more in the list; ``{}`` is the folder around the data set."""

    def damage(data):
        shutil.copytree(data / "JPEGImages", data.parent / "outside")
        with open(data / LIST, "a") as file:
            file.write(f"{line.format(data.parent)}\n")

    return damage


def written(path, content):
    return lambda data: (data / path).write_bytes(content)


def mask(change):
    def damage(data):
        Image.fromarray(change(np.array(Image.open(data / MASK)))).save(data / MASK)

    return damage


def a_folder(data):
    (data / IMAGE).unlink()
    (data / IMAGE).mkdir()


def huge_png():
    """The header of a PNG of a hundred thousand pixels a side; the file has a few bytes."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    packed = [
        struct.pack(">I", len(content)) + kind + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    ]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


DATA = {
    "list climbs out": (
        listed("../../outside/train_03"), "outside/train_03.jpg", "outside the data root",
        "train.txt"),
    "list names a path from the root": (
        listed("{}/outside/train_03"), "outside/train_03.jpg", "outside the data root"),
    "list is empty": (written(LIST, b""), "no images"),
    "list is binary": (
        written(LIST, bytes(range(128, 256))), "rectangles", "UnicodeDecodeError"),
    "image claims to be huge": (
        written(IMAGE, huge_png()), "train_03.jpg", "too large an image", "VDFD_SEG_MAX_PIXELS"),
    "image is a folder": (a_folder, "train_03.jpg", "Is a directory"),
    "mask with an unknown class": (
        mask(lambda ids: np.where(ids == 1, 7, ids).astype(np.uint8)), "train_03.png", "id 7",
        "valid ids are 0 to 6", "255"),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_data(check, data, case):
    damage, *words = DATA[case]
    damage(data)
    assert_says(check(tiny_config(data)), *words)


def test_the_limit_of_pixels_can_be_lowered_and_raised(refused, config_file, tmp_path, monkeypatch):
    file = config_file()
    monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "2500")
    message = refused("train", file, "--dry-run")
    assert_says(message, "2880 pixels", "limit of 2500 pixels", "VDFD_SEG_MAX_PIXELS")
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "2880")
    assert run_command("train", [str(file), "--dry-run"]) == 0
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "many")
    monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "other"))
    assert_says(refused("train", file, "--dry-run"), "VDFD_SEG_MAX_PIXELS='many'")
