import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from tests import fake_voc as fake
from tools.dataset_converters import voc_aug as tool
from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets.conversion import voc_aug
from vdfd_seg.datasets.conversion.voc_aug import COUNTS, convert_voc_aug
from vdfd_seg.datasets.segmentation.source import open_source
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol

FOUND = {"train": 4, "val": 1, "voc_masks": 3, "sbd_masks": 2}
TRAIN = ["2007_000001", "2007_000003", "2008_000010", "2008_000011"]
GOOD_MAT = fake.mat(fake.sbd_mask("2008_000010"))
VOC_TAR, SBD_TAR = "VOCtrainval_11-May-2012.tar", "benchmark.tgz"


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return fake.write_archives(tmp_path_factory.mktemp("archives"))


@pytest.fixture(scope="module")
def written(archives, tmp_path_factory):
    root = tmp_path_factory.mktemp("written") / "VOCaug"
    assert convert_voc_aug(archives, root, counts=None) == FOUND
    return root


def changed(folder, voc=(), sbd=()):
    """Archives with members replaced, or taken away (None)."""
    files = []
    for contents, prefix, changes in (
        (fake.voc_files(), fake.VOC_FOLDER, voc),
        (fake.sbd_files(), fake.SBD_FOLDER, sbd),
    ):
        contents |= {f"{prefix}/{name}": content for name, content in dict(changes).items()}
        files.append({name: content for name, content in contents.items() if content is not None})
    return fake.write_archives(folder, *files)


def refused(archives, target, match, counts=None):
    with pytest.raises(InputError, match=match):
        convert_voc_aug(archives, target, counts)
    assert not target.exists()
    assert not list(target.parent.glob(".*.partial"))


def test_images_of_train_aug_and_val_are_copied_and_no_others(written):
    folders = {"JPEGImages", "SegmentationClassAug", "ImageSets", "dataset.json"}
    assert set(os.listdir(written)) == folders
    names = {*TRAIN, "2007_000002"}
    assert {path.stem for path in (written / "JPEGImages").iterdir()} == names
    for name in names:
        assert (written / f"JPEGImages/{name}.jpg").read_bytes() == fake.jpeg(name)


def test_voc_masks_win_and_keep_their_void(written):
    """2007_000001 and 2007_000002 have a mask of each kind."""
    assert len(list((written / "SegmentationClassAug").iterdir())) == 5
    for name in (*fake.VOC_LISTS["train"], *fake.VOC_LISTS["val"]):
        with Image.open(written / f"SegmentationClassAug/{name}.png") as mask:
            assert (np.asarray(mask) == fake.voc_mask(name)).all()
    for name in TRAIN[2:]:
        with Image.open(written / f"SegmentationClassAug/{name}.png") as mask:
            assert mask.mode == "P" and mask.getpalette()[60:63] == [0, 64, 128]
            assert (np.asarray(mask) == fake.sbd_mask(name)).all()


def test_the_shipped_config_reads_it(written, registered_modules):
    from vdfd_seg.engine import load_run

    settings = load_run("voc_11-5", "finetune", {"data_root": str(written)})
    sources = [
        open_source(settings.config[part].dataset, build_protocol({"type": "VOC", "split": "10-5"}))
        for part in ("train_dataloader", "test_dataloader")
    ]
    assert sources[0].names == tuple(TRAIN)
    assert sources[1].names == ("2007_000002",)
    assert sources[0].counts[0, [0, 1, 255]].tolist() == [8, 32, 8]
    assert sources[0].counts[2, [0, 20]].tolist() == [6, 42]


def test_official_numbers_are_expected(archives, tmp_path):
    assert COUNTS == {"train": 10582, "val": 1449}
    refused(archives, tmp_path / "out", "4 training and 1 validation images, not 10582", COUNTS)


class TestWrongArchives:
    def test_swapped(self, tmp_path):
        folder = fake.write_archives(tmp_path / "in", fake.sbd_files(), fake.voc_files())
        refused(folder, tmp_path / "out", rf"{VOC_TAR}: has no train.txt; expected .*VOC2012")

    @pytest.mark.parametrize(
        ("archive", "name", "content", "message"),
        [
            ("voc", "JPEGImages/2008_000011.jpg", None, "hold no .*JPEGImages/2008_000011.jpg"),
            ("voc", "SegmentationClass/2007_000003.png", None, "hold no .*Class/2007_000003.png"),
            ("sbd", "cls/2008_000010.mat", None, "hold no .*cls/2008_000010.mat"),
            ("sbd", "train.txt", b"2008_000010\n../../evil\n", "names '../../evil' in train.txt"),
            ("voc", "SegmentationClass/2007_000001.png", fake.jpeg("2007_000001"),
             r"2007_000001\.png is no palette image"),
            ("voc", "SegmentationClass/2007_000001.png", b"text",
             r"000001\.png: this mask of VOC.* is damaged"),
            *[("sbd", "cls/2008_000010.mat", content, f"{SBD_TAR}: .*000010.mat: no mask, or a")
              for content in (b"", b"x" * 200, GOOD_MAT[:-5])],
            ("sbd", "cls/2008_000010.mat", fake.mat(np.full((2, 2), 21, np.uint8)),
             "is not a mask of VOC's classes"),
        ],
        # By number: a MAT file, which pytest would take as a name, begins with the time of day.
        ids=map(str, range(10)),
    )  # fmt: skip
    def test_a_member_that_is_missing_or_another(self, tmp_path, archive, name, content, message):
        folder = changed(tmp_path / "in", **{archive: {name: content}})
        refused(folder, tmp_path / "out", message)


def test_members_cannot_leave_the_target(tmp_path):
    folder = changed(tmp_path / "in", sbd={"cls/../../../../evil.mat": b"evil"})
    refused(folder, tmp_path / "a" / "out", "evil.mat.*outside")
    assert not [path for path in tmp_path.rglob("*") if "evil" in path.name]


def test_the_tool_downloads_what_is_missing_and_prints_the_counts(
    archives, tmp_path, capsys, monkeypatch
):
    def local(archive):
        source = archives / archive.file
        md5 = hashlib.md5(source.read_bytes()).hexdigest()
        return archive._replace(url=source.as_uri(), md5=md5)

    for name in ("VOC", "SBD"):
        monkeypatch.setattr(voc_aug, name, local(getattr(voc_aug, name)))
    folder = tmp_path / "in"
    arguments = [str(folder), str(tmp_path / "out"), "--any-counts"]
    assert run_guarded(tool.main, arguments) == 2
    assert run_guarded(tool.main, [*arguments, "--download"]) == 0
    assert {path.name for path in folder.iterdir()} == {VOC_TAR, SBD_TAR}
    printed = capsys.readouterr().out
    assert "train: 4 images, val: 1 images" in printed
    assert "masks: 3 of VOC, 2 of SBD" in printed
    described = json.loads((tmp_path / "out/dataset.json").read_text())
    assert described["counts"] == FOUND
