"""Every file that cannot be indexed is an error that names it and says what to do."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datasets.conftest import write_sample
from vdfd_seg.errors import InputError


def error_of(index, items, **settings):
    with pytest.raises(InputError) as caught:
        index(items, **settings)
    return str(caught.value)


def text(path):
    Path(path).write_text("<html>")


def without_end_marker(path):
    Path(path).write_bytes(Path(path).read_bytes()[:-2])


def colour(mode, channels):
    return lambda path: Image.new("RGB", (3, 2), channels).convert(mode).save(path)


def of_size(width, height):
    return lambda path: Image.new("RGB", (width, height)).save(path)


def ids(values, kind):
    return lambda path: Image.fromarray(np.array(values, kind)).save(path)


@pytest.mark.parametrize(
    ("key", "damage", "words"),
    [
        ("img_path", os.remove, ("image is missing",)),
        ("seg_map_path", os.remove, ("mask is missing", "images/b.jpg")),
        ("img_path", text, ("damaged, truncated",)),
        ("seg_map_path", text, ("damaged, truncated",)),
        ("img_path", without_end_marker, ("truncated",)),
        ("seg_map_path", colour("RGB", (0, 1, 2)),
         ("RGB", "index mask is needed", "Turn every colour into the id")),
        ("seg_map_path", colour("RGBA", (0, 1, 2)), ("Turn every colour into the id",)),
        ("seg_map_path", colour("RGB", (1, 1, 1)), ("Its channels are equal: keep one",)),
        ("seg_map_path", colour("RGBA", (1, 1, 1)), ("Its channels are equal: keep one",)),
        ("seg_map_path", ids([[0, 3, 3], [2, 255, 77]], np.uint8),
         ("3, 77, which", "0 to 2 and 255 (ignored)")),
        ("seg_map_path", ids([[0, 256, 65535], [2, 255, 1]], np.uint16),
         ("256, 65535, which", "0 to 2 and 255 (ignored)")),
        ("img_path", of_size(2, 3), ("b.png", "3x2", "2x3", "turned as their EXIF data say")),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(items, index, key, damage, words):
    damage(items[1][key])
    message = error_of(index, items)
    assert all(word in message for word in (items[1][key], *words))


def test_no_mask_named(items, index):
    del items[2]["seg_map_path"]
    message = error_of(index, items)
    assert items[2]["img_path"] in message and "no mask" in message


def test_turning_is_no_way_out_of_other_sizes(items, index):
    of_size(3, 4)(items[0]["img_path"])
    assert "EXIF" not in error_of(index, items)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_masks_of_few_bits(items, index, bits):
    """Written by hand: Pillow does not write them."""
    row = {2: b"\x00\x90", 4: b"\x00\x21\x00"}[bits]  # 2, 1, 0
    header = struct.pack(">IIBBBBB", 3, 2, bits, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(row * 2)), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    Path(items[0]["seg_map_path"]).write_bytes(content)
    assert np.asarray(Image.open(items[0]["seg_map_path"])).max() == {2: 170, 4: 34}[bits]
    message = error_of(index, items, num_classes=200)
    assert f"grey PNG of {bits} bits" in message and items[0]["seg_map_path"] in message


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
@pytest.mark.parametrize("cut", [16, 1000])
def test_truncated_image(index, tmp_path, suffix, cut):
    path = tmp_path / f"images/z.{suffix}"
    item = {**write_sample(tmp_path, "a", np.zeros((60, 60))), "img_path": str(path)}
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    index([item])
    path.write_bytes(path.read_bytes()[:-cut])
    message = error_of(index, [item])
    assert str(path) in message
    assert "truncated" in message


def test_bytes_after_the_end_of_an_image_are_no_error(items, index):
    with open(items[0]["img_path"], "ab") as file:
        file.write(bytes(5000))
    index(items)


def test_many_problems_in_one_message(items, index, tmp_path):
    wrong = [write_sample(tmp_path, number, np.full((2, 3), 9)) for number in range(8)]
    message = error_of(index, items + wrong)
    assert "8 of 11 samples" in message
    assert all(item["seg_map_path"] in message for item in wrong[:5])
    assert wrong[5]["seg_map_path"] not in message
    assert "3 more" in message
