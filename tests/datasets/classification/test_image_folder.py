import os

import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets.classification.folder import read_image_folder
from vdfd_seg.errors import InputError


def picture(seed, size=(4, 6)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes: owl with two images, ant with one."""
    save(tmp_path / "train/1_owl/b.png", picture(1))
    save(tmp_path / "train/1_owl/a.png", picture(0))
    save(tmp_path / "train/2_ant/a.bmp", picture(2))
    return tmp_path


def test_one_folder_per_class_and_hidden_names_are_passed_over(folder):
    (folder / "train/.cache").mkdir()
    for hidden in (".directory", "Thumbs.db", "desktop.ini"):
        (folder / "train/1_owl" / hidden).touch()
    (folder / "train/readme.txt").write_text("classes are folders")
    images, labels, classes = read_image_folder(folder, "train")
    np.testing.assert_array_equal(images, [picture(0), picture(1), picture(2)])
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert labels.tolist() == [0, 0, 1]
    assert classes == ("owl", "ant")


def test_numbers_order_by_value_and_names_without_one_come_last(tmp_path):
    for name in ("10_cat", "9_dog", "emu", "Bee", "011_yak", "3_2_fly"):
        save(tmp_path / "train" / name / "x.png", picture(0))
    classes = read_image_folder(tmp_path, "train")[2]
    assert classes == ("2_fly", "dog", "cat", "yak", "Bee", "emu")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "1", "CMYK"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_formats_and_modes(tmp_path, suffix, mode):
    path = tmp_path / f"test/a/x.{suffix}"
    path.parent.mkdir(parents=True)
    try:
        Image.new("RGB", (8, 8), "white").convert(mode).save(path)
    except OSError:
        return  # Not a mode of this format.
    images, _, _ = read_image_folder(tmp_path, "test")
    assert images.shape == (1, 8, 8, 3)
    assert images.min() >= 250


class TestTiles:
    def test_are_taken_row_by_row(self, tmp_path):
        tiles = np.stack([picture(seed, (4, 4)) for seed in range(6)])
        sheet = np.concatenate(
            [np.concatenate(list(row), axis=1) for row in (tiles[:3], tiles[3:])]
        )
        save(tmp_path / "train/1_owl.png", sheet)
        save(tmp_path / "train/0_ant.png", tiles[5])
        images, labels, classes = read_image_folder(tmp_path, "train", tile=4)
        np.testing.assert_array_equal(images, [tiles[5], *tiles])
        assert labels.tolist() == [0] + 6 * [1]
        assert classes == ("ant", "owl")

    @pytest.mark.parametrize("size", [(9, 8), (8, 9), (2, 2)])
    def test_sheet_of_no_whole_tiles_is_named(self, tmp_path, size):
        save(tmp_path / "train/a.png", picture(0, size))
        with pytest.raises(InputError, match=r"a\.png: .* not whole tiles of 4x4"):
            read_image_folder(tmp_path, "train", tile=4)


class TestErrors:
    @pytest.mark.parametrize("tile", [None, 4])
    def test_missing_split_is_named(self, folder, tile):
        with pytest.raises(InputError, match=r"test: no folder"):
            read_image_folder(folder, "test", tile)

    @pytest.mark.parametrize(("tile", "hint"), [(None, "--tile SIDE"), (4, "leave --tile out")])
    def test_the_other_layout_is_hinted_at(self, tmp_path, tile, hint):
        name = "train/a.png" if tile is None else "train/a/x.png"
        save(tmp_path / name, picture(0))
        with pytest.raises(InputError, match=hint):
            read_image_folder(tmp_path, "train", tile)

    @pytest.mark.parametrize(
        ("name", "make", "message"),
        [
            ("3_eel", os.mkdir, "3_eel: this class has no image"),
            ("7_owl/x.png", lambda p: save(p, picture(0)), "7_owl: the class 'owl' is also 1_owl"),
            ("2_ant/b.png", lambda p: save(p, picture(0, (6, 4))), r"b\.png: 4x6 .* have 6x4"),
            ("1_owl/notes.txt", lambda p: p.write_text("none"), r"notes\.txt: this image"),
            ("1_owl/more", os.mkdir, "more: this image"),
            ("2_ant/x.png", lambda p: save(p, np.zeros((4, 4), np.uint16)), "more than 8 bits"),
        ],
    )
    def test_what_does_not_fit_is_named(self, folder, name, make, message):
        make(folder / "train" / name)
        with pytest.raises(InputError, match=message):
            read_image_folder(folder, "train")

    @pytest.mark.parametrize("keep", [0, 10, 60, -40])
    def test_truncated_image_is_named(self, folder, keep):
        path = folder / "train/2_ant/b.png"
        save(path, picture(0))
        path.write_bytes(path.read_bytes()[:keep])
        with pytest.raises(InputError, match=r"b\.png: this image is damaged"):
            read_image_folder(folder, "train")

    @pytest.mark.parametrize("factor", [1.5, 3])
    def test_absurdly_large_image_is_named(self, folder, monkeypatch, factor):
        # Pillow itself warns above its limit and refuses above twice the limit.
        monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", str(int(4 * 6 / factor)))
        with pytest.raises(InputError, match=r"a\.png: too large"):
            read_image_folder(folder, "train")
