import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pytest
from PIL import Image

from tests.datasets.conftest import write_mask, write_sample
from vdfd_seg.datasets.segmentation import index as index_module
from vdfd_seg.datasets.segmentation.index_cache import default_folder
from vdfd_seg.errors import InputError


@pytest.fixture
def no_scan(monkeypatch):
    def refuse(*args):
        raise AssertionError("masks were read although the counts are cached")

    return lambda: monkeypatch.setattr(index_module, "_scan", refuse)


def test_a_name_is_the_path_below_a_folder_without_suffix():
    assert index_module.relative_name("a/../b/c.png", "./b") == "c"
    assert index_module.relative_name("../a.png", ".") == "../a"


def test_digest_follows_names_labels_and_order(items, index):
    digest = index(items).digest
    assert digest == index(items).digest
    assert len(digest) == 64
    assert index(items[::-1]).digest != digest
    assert index([{**items[0], "name": "other"}, *items[1:]]).digest != digest
    write_mask(items[1]["seg_map_path"], np.ones((2, 3)))
    assert index(items).digest != digest


def test_counts_stay_in_order_though_masks_are_read_in_parallel(tmp_path, index, monkeypatch):
    tasks, most = WeakSet(), []

    class Counting(ThreadPoolExecutor):
        def submit(self, *args):
            task = super().submit(*args)
            tasks.add(task)
            most.append(len(tasks))
            return task

    monkeypatch.setattr(index_module, "_BATCH", 8)
    monkeypatch.setattr(index_module, "ThreadPoolExecutor", Counting)
    masks = np.random.default_rng(0).integers(0, 3, (100, 7, 9))
    items = [write_sample(tmp_path, number, values) for number, values in enumerate(masks)]
    expected = [np.bincount(values.ravel(), minlength=256).tolist() for values in masks]
    assert index(items).counts.tolist() == expected
    # However many the images, there are never more tasks than a batch and what its end leaves.
    assert len(most) == 100 and max(most) <= 16


@pytest.mark.parametrize("mode", ["P", "P of 4 bits", "L", "1", "I", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_counts_are_of_what_the_training_reads(items, index, registered_modules, mode, suffix):
    from mmseg.registry import TRANSFORMS

    values = np.array([[0, 0, 1], [2, 9, 9]], np.uint8)
    if mode == "1":
        values = values > 1
    types = {"I;16": np.uint16, "I": np.int32}
    mask = Image.fromarray(values.astype(types.get(mode, values.dtype)))
    if mode[0] == "P":
        mask.putpalette([part for value in range(256) for part in (255 - value, value, 7)])
    path = Path(items[0]["seg_map_path"]).with_suffix(f".{suffix}")
    try:
        mask.save(path, **({"bits": 4} if "4" in mode else {}))
    except OSError:
        return  # Not a mode of this format.
    load = TRANSFORMS.build({"type": "LoadAnnotations"})
    sample = {"seg_map_path": str(path), "label_map": None, "reduce_zero_label": False}
    read = load({**sample, "seg_fields": []})["gt_seg_map"]
    assert np.array_equal(read, values)
    counts = index([{**items[0], "seg_map_path": str(path)}], num_classes=10).counts[0]
    assert np.array_equal(counts, np.bincount(values.ravel(), minlength=256))


def test_image_turned_by_its_exif_tag_fits_a_turned_mask(items, index, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (2, 3)).save(items[0]["img_path"], exif=exif)
    index(items)


class TestCache:
    def test_changed_file_is_noticed(self, items, index):
        index(items)
        before = os.stat(items[0]["seg_map_path"])
        write_mask(items[0]["seg_map_path"], [[1, 1, 1], [1, 1, 1]])
        os.utime(items[0]["seg_map_path"], ns=(before.st_atime_ns, before.st_mtime_ns + 1))
        assert index(items).counts[0, 1] == 6

    def test_another_number_of_classes_is_checked_anew(self, items, index):
        index(items)
        with pytest.raises(InputError, match="valid ids are 0 to 1"):
            index(items, num_classes=2)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", None])
    def test_damaged_cache_is_rebuilt_and_read_again(
        self, items, index, tmp_path, content, no_scan
    ):
        expected = index(items)
        (cached,) = (tmp_path / "cache").iterdir()
        cached.write_bytes(cached.read_bytes()[:-40] if content is None else content)
        assert (index(items).counts == expected.counts).all()
        no_scan()
        second = index(items)
        assert (second.counts == expected.counts).all()
        assert second.digest == expected.digest

    def test_folder_that_cannot_be_written_is_a_warning(self, items, index, tmp_path):
        (tmp_path / "cache").write_text("in the way")
        assert len(index(items)) == 3

    def test_default_folder(self, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", "/x")
        monkeypatch.delenv("VDFD_SEG_CACHE", raising=False)
        assert default_folder().as_posix() == "/x/vdfd_seg"
