"""Image lists and folders as people have them: read, or refused by name."""

import shutil

import pytest
from PIL import Image

from tests.datasets.conftest import write_mask
from vdfd_seg.datasets import open_source
from vdfd_seg.errors import InputError


@pytest.fixture
def garden(tmp_path, tiny_root):
    """A copy of the tiny data set."""
    return shutil.copytree(tiny_root, tmp_path / "garden")


@pytest.fixture
def opened(garden, tiny_dataset_cfg, tiny_protocol):
    """Open the copy; returns the names of its images."""

    def run(**changes):
        cfg = tiny_dataset_cfg("train", garden, **changes)
        return open_source(cfg, tiny_protocol(), progress=False).names

    return run


@pytest.fixture
def refused(opened):
    """Open the copy, which must be refused in these words."""

    def run(*words, **changes):
        with pytest.raises(InputError) as caught:
            opened(**changes)
        assert all(word in str(caught.value) for word in words), caught.value

    return run


NAMES = tuple(f"t{number}" for number in range(10))


class TestLists:
    @pytest.fixture
    def listed(self, garden):
        return lambda text: (garden / "lists/train.txt").write_bytes(text.encode())

    def test_names_of_any_script_with_line_ends_of_windows_and_blanks(self, garden, listed, opened):
        names = ("a b", "Straße", "道 길", "it's 100%")
        for number, name in enumerate(names):
            for folder in ("JPEGImages", "SegmentationClass"):
                (garden / folder / f"t{number}.png").rename(garden / folder / f"{name}.png")
        listed("a b\r\nStraße \r\n道 길\t\r\nit's 100%")
        assert opened() == names

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("t0\n\nt1\n", ("JPEGImages/.png", "missing", "its list of images")),
            ("\ufefft0\nt1\n", ("\ufefft0.png", "missing", "its list of images")),
            ("t0\nt1.png\n", ("t1.png.png", "missing", "img_suffix")),
            ("t0\nt0\n", ("two images have the name 't0'",)),
        ],
    )
    def test_refused(self, listed, refused, text, words):
        listed(text)
        refused(*words)

    def test_an_image_of_another_suffix_is_named(self, garden, refused):
        (garden / "JPEGImages/t1.png").rename(garden / "JPEGImages/t1.JPG")
        refused("t1.png", "missing; there is 't1.JPG'", "img_suffix")


class TestFolders:
    @pytest.fixture(autouse=True)
    def no_list(self, opened, refused):
        """Everything below the folder is read."""
        self.opened = lambda **changes: opened(ann_file="", **changes)
        self.refused = lambda *words, **changes: refused(*words, ann_file="", **changes)

    def test_what_is_hidden_or_no_image_is_passed_over(self, garden):
        expected = self.opened()
        for name in ("._t0.png", ".DS_Store", "Thumbs.db", "notes.txt"):
            (garden / "JPEGImages" / name).write_bytes(b"no image")
        assert self.opened() == expected

    def test_images_of_another_suffix(self, garden):
        words = ("lists no images", "end in '.png'", "set img_suffix='.png'")
        self.refused(*words, img_suffix=".jpg")
        for number, suffix in ((0, "PNG"), (1, "jpg"), (2, "tif")):
            path = garden / f"JPEGImages/t{number}.png"
            path.rename(path.with_suffix(f".{suffix}"))
        self.refused("3 images", "would be left out: t0.PNG, t1.jpg, t2.tif", "'.png' (img_suffix)")

    def test_other_files_of_an_image_that_is_read_and_masks_beside_images(self, garden):
        images = garden / "JPEGImages"
        shutil.copy(images / "t0.png", images / "t0.jpg")
        shutil.copy(images / "t0.png", images / "no_mask.jpg")
        assert "t0" in self.opened() and "no_mask" not in self.opened()
        for path in images.glob("t*.png"):
            with Image.open(path) as image:
                image.convert("RGB").save(path.with_suffix(".jpg"))
            shutil.copy(garden / "SegmentationClass" / path.name, path)
        for path in images.glob("v*.png"):
            path.unlink()
        together = dict(img_path="JPEGImages", seg_map_path="JPEGImages")
        (images / "no_mask.jpg").unlink()
        assert self.opened(data_prefix=together, img_suffix=".jpg") == NAMES

    def test_links_are_followed(self, garden):
        expected = self.opened()
        for folder in ("JPEGImages", "SegmentationClass"):
            (garden / folder).rename(garden / f"real_{folder}")
            (garden / folder).mkdir()
            (garden / folder / "below").symlink_to(garden / f"real_{folder}")
        assert self.opened() == tuple(f"below/{name}" for name in expected)

    @pytest.mark.parametrize("name", ["zweite", ".ipynb_checkpoints"])
    def test_folders_that_are_read_twice_or_hidden(self, garden, name):
        for folder in ("JPEGImages", "SegmentationClass"):
            (garden / folder).rename(garden / "all")
            (garden / folder).mkdir()
            (garden / "all").rename(garden / folder / "erste")
            (garden / folder / name).symlink_to(garden / folder / "erste")
        self.refused(f"JPEGImages/{name}/", "hidden folder", "link")

    def test_a_link_to_a_folder_above(self, garden):
        (garden / "JPEGImages/again").symlink_to(garden)
        self.refused("again/JPEGImages/again", "symbolic links")


def test_masks_of_0_and_255(garden, refused):
    for path in (garden / "SegmentationClass").glob("*.png"):
        write_mask(path, [[0] * 24] * 20 + [[255] * 24] * 4)
    refused("hold 0 and 255 alone", "1 for 'a'")
