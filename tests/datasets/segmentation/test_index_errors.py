"""Every file that cannot be indexed is an error that names it and says what to do."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vdfd_seg.errors import InputError


def mask_path(item):
    return Path(item["seg_map_path"])


def error_of(index, items, **settings):
    with pytest.raises(InputError) as caught:
        index(items, **settings)
    return str(caught.value)


def test_no_items(index):
    assert "no images" in error_of(index, [])


@pytest.mark.parametrize(
    ("key", "damage", "words"),
    [
        ("img_path", os.remove, ("image is missing",)),
        ("seg_map_path", os.remove, ("mask is missing", "images/b.jpg")),
        ("img_path", lambda path: Path(path).write_bytes(b""), ("damaged",)),
        ("seg_map_path", lambda path: Path(path).write_bytes(b""), ("damaged",)),
        ("img_path", lambda path: Path(path).write_text("<html>"), ("damaged, truncated",)),
        ("seg_map_path", lambda path: Path(path).write_text("<html>"), ("damaged, truncated",)),
        # A JPEG without its end marker.
        ("img_path", lambda path: Path(path).write_bytes(Path(path).read_bytes()[:-2]),
         ("truncated",)),
        ("seg_map_path", lambda path: Image.new("RGB", (3, 2)).save(path),
         ("RGB", "index mask is needed")),
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


@pytest.mark.parametrize(
    ("values", "mode", "words"),
    [
        ([[0, 3, 3], [2, 255, 77]], "P", "3, 77, which"),
        ([[0, 256, 65535], [2, 255, 1]], "I;16", "256, 65535, which"),
    ],
)
def test_ids_that_the_data_set_does_not_have(items, index, write_mask, values, mode, words):
    write_mask(mask_path(items[0]), values, mode)
    message = error_of(index, items)
    assert items[0]["seg_map_path"] in message and words in message
    assert "0 to 2 and 255 (ignored)" in message


def test_unequal_sizes(items, index, write_image):
    write_image(Path(items[0]["img_path"]), size=(2, 3))
    message = error_of(index, items)
    assert all(word in message for word in (items[0]["seg_map_path"], "3x2", "2x3"))
    assert "turned as their EXIF data say" in message
    write_image(Path(items[0]["img_path"]), size=(3, 4))
    assert "EXIF" not in error_of(index, items)


@pytest.mark.parametrize(
    ("channels", "way_out"),
    [((0, 1, 2), "Turn every colour into the id"), ((1, 1, 1), "Its channels are equal: keep one")],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_masks_have_a_way_out(items, index, channels, way_out, mode):
    Image.new("RGB", (3, 2), channels).convert(mode).save(items[0]["seg_map_path"])
    assert way_out in error_of(index, items)


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
def test_truncated_image(items, index, tmp_path, write_mask, suffix, cut):
    path = tmp_path / "images" / f"z.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    write_mask(mask_path(items[0]), np.zeros((60, 60)))
    item = {**items[0], "img_path": str(path)}
    index([item])
    path.write_bytes(path.read_bytes()[:-cut])
    message = error_of(index, [item])
    assert str(path) in message
    assert "truncated" in message


@pytest.mark.parametrize("size", [16, 5000])
def test_bytes_after_the_end_of_an_image_are_no_error(items, index, size):
    with open(items[0]["img_path"], "ab") as file:
        file.write(bytes(size))
    index(items)


def test_many_problems_in_one_message(items, index, tmp_path, write_image, write_mask):
    wrong = []
    for number in range(8):
        image, mask = tmp_path / "w" / f"{number}.jpg", tmp_path / "wm" / f"{number}.png"
        write_image(image)
        write_mask(mask, np.full((2, 3), 9))
        paths = {"img_path": str(image), "seg_map_path": str(mask)}
        wrong.append({"name": f"w{number}", **paths})
    message = error_of(index, items + wrong)
    assert "8 of 11 samples" in message
    assert all(item["seg_map_path"] in message for item in wrong[:5])
    assert wrong[5]["seg_map_path"] not in message
    assert "3 more" in message
