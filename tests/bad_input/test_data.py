"""Lists, images and masks that are refused."""

import runpy
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.bad_input.damage import assert_says
from tests.tiny import tiny_config
from vdfd_seg.cli import run_command

ROOT = Path(__file__).resolve().parents[2]


def rewrite_mask(data, change):
    path = data / "SegmentationClass" / "train_03.png"
    change(np.array(Image.open(path))).save(path)


def image_list_names_a_missing_file(data):
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write("train_77\n")


def image_without_mask(data):
    (data / "SegmentationClass" / "val_02.png").unlink()


def mask_with_an_unknown_class(data):
    rewrite_mask(data, lambda mask: Image.fromarray(np.where(mask == 1, 7, mask).astype(np.uint8)))


def mask_of_another_size(data):
    rewrite_mask(data, lambda mask: Image.fromarray(mask[:-1]))


def mask_in_colours(data):
    rewrite_mask(data, lambda mask: Image.fromarray(np.stack([mask] * 3, -1)))


def image_truncated(data):
    path = data / "JPEGImages" / "train_03.jpg"
    path.write_bytes(path.read_bytes()[:-300])


def mask_truncated(data):
    path = data / "SegmentationClass" / "train_03.png"
    path.write_bytes(path.read_bytes()[:-30])


def image_listed_twice(data):
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write("train_03\n")


def image_list_empty(data):
    (data / "ImageSets/Segmentation/train.txt").write_text("")


def list_climbs_out(data):
    shutil.copytree(data / "JPEGImages", data.parent / "outside")
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write("../../outside/train_03\n")


def list_names_a_path_from_the_root(data):
    shutil.copytree(data / "JPEGImages", data.parent / "outside")
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write(f"{data.parent}/outside/train_03\n")


def image_claims_to_be_huge(data):
    """The header of a PNG of a hundred thousand pixels a side; the file has a few bytes."""
    path = data / "JPEGImages" / "train_03.jpg"
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in parts
        )
    )


def image_is_text(data):
    (data / "JPEGImages" / "train_03.jpg").write_text("no image")


def image_is_empty(data):
    (data / "JPEGImages" / "train_03.jpg").write_bytes(b"")


def image_is_a_folder(data):
    path = data / "JPEGImages" / "train_03.jpg"
    path.unlink()
    path.mkdir()


def list_is_binary(data):
    (data / "ImageSets/Segmentation/train.txt").write_bytes(bytes(range(128, 256)))


DATA = {
    list_climbs_out: ("outside/train_03.jpg", "outside the data root", "train.txt"),
    list_names_a_path_from_the_root: ("outside/train_03.jpg", "outside the data root"),
    image_claims_to_be_huge: ("train_03.jpg", "too large an image", "VDFD_SEG_MAX_PIXELS"),
    image_is_text: ("train_03.jpg", "damaged or truncated"),
    image_is_empty: ("train_03.jpg", "empty (0 bytes)"),
    image_is_a_folder: ("train_03.jpg", "Is a directory"),
    list_is_binary: ("rectangles", "UnicodeDecodeError"),
    image_list_names_a_missing_file: ("train_77.jpg", "missing"),
    image_without_mask: ("val_02.png", "mask is missing", "val_02.jpg"),
    mask_with_an_unknown_class: ("train_03.png", "id 7", "valid ids are 0 to 6", "255"),
    mask_of_another_size: ("train_03.png", "48x47", "48x48"),
    mask_in_colours: ("train_03.png", "RGB", "index mask"),
    image_truncated: ("train_03.jpg", "damaged or truncated"),
    mask_truncated: ("train_03.png", "damaged or truncated"),
    image_listed_twice: ("two images", "'train_03'"),
    image_list_empty: ("no images",),
}


@pytest.mark.parametrize("damage", DATA, ids=lambda damage: damage.__name__)
def test_data(check, data, damage):
    damage(data)
    assert_says(check(tiny_config(data)), *DATA[damage])


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


def test_an_archive_that_is_none(capfd, tmp_path):
    archives = {
        "text": b"no archive",
        "empty": b"",
        "gzip of nothing": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    }
    main = runpy.run_path(str(ROOT / "tools/dataset_converters/cifar100.py"))["main"]
    for name, content in archives.items():
        path = tmp_path / "cifar.tar.gz"
        path.write_bytes(content)
        assert main([str(path), str(tmp_path / "out")]) == 2, name
        error = capfd.readouterr().err
        assert_says(error, "cifar.tar.gz", "CIFAR-100")
        assert "Traceback" not in error
    assert main([str(tmp_path / "none.tar.gz"), str(tmp_path / "out")]) == 2
    assert_says(capfd.readouterr().err, "there is no such file")
    assert not (tmp_path / "out").exists()
