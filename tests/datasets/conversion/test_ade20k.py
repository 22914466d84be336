"""ADE20K from an archive to the images of each step."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from tools.dataset_converters import ade20k as tool
from vdfd_seg.cli import run_guarded
from vdfd_seg.datasets import SegmentationData, open_source
from vdfd_seg.datasets.segmentation.selection import train_images
from vdfd_seg.engine import load_run
from vdfd_seg.protocols import build_protocol

MASKS = {
    "training": [[1], [1, 101], [101, 111], [150, 106], [0, 50, 51], [0], [105, 150], [100, 110]],
    "validation": [[1], [101], [150], [0, 51]],
}
"""The ids of each image's mask; 0 is no label."""


def files():
    found = {"ADEChallengeData2016/sceneCategories.txt": b"", "../../out.jpg": b"x"}
    for split, masks in MASKS.items():
        for number, ids in enumerate(masks):
            stem = f"{split}/ADE_{split[:5].removesuffix('i')}_{number:08d}"
            image, mask = io.BytesIO(), io.BytesIO()
            Image.new("RGB", (8, 6), (number, 0, 0)).save(image, "JPEG")
            columns = np.array([ids[i * len(ids) // 8] for i in range(8)], np.uint8)
            Image.fromarray(np.tile(columns, (6, 1))).save(mask, "PNG")
            found[f"ADEChallengeData2016/images/{stem}.jpg"] = image.getvalue()
            found[f"ADEChallengeData2016/annotations/{stem}.png"] = mask.getvalue()
    return found


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ade")
    archive = write_zip(folder / "ade.zip", files())
    assert run_guarded(tool.main, [str(archive), str(folder / "data/ADE"), "--any-counts"]) == 0
    return folder / "data/ADE"


class TestConversion:
    def test_files_are_as_in_the_archive_and_nowhere_else(self, written):
        found = {
            path.relative_to(written).as_posix(): path.read_bytes()
            for path in written.rglob("ADE_*")
        }
        expected = {
            name.partition("/")[2]: data for name, data in files().items() if "/ADE_" in name
        }
        assert found == expected
        assert not list(written.parents[2].rglob("out.jpg"))

    @pytest.mark.parametrize("case", ["truncated", "counts", "a mask"])
    def test_another_archive_is_refused_and_nothing_is_written(self, tmp_path, capsys, case):
        content, options = files(), ["--any-counts"]
        if case == "a mask":
            del content["ADEChallengeData2016/annotations/training/ADE_train_00000003.png"]
        archive = write_zip(tmp_path / "ade.zip", content)
        if case == "truncated":
            archive.write_bytes(archive.read_bytes()[:-100])
        if case == "counts":
            options = []
        assert run_guarded(tool.main, [str(archive), str(tmp_path / "out"), *options]) == 2
        error = capsys.readouterr().err
        assert f"error: {archive}: " in error
        assert "ADEChallengeData2016.zip" in error
        assert not (tmp_path / "out").exists()

    def test_another_data_set_is_not_replaced(self, tmp_path, capsys):
        archive, other = write_zip(tmp_path / "ade.zip", files()), tmp_path / "other"
        other.mkdir()
        (other / "dataset.json").write_text('{"dataset": "VOCaug"}')
        assert run_guarded(tool.main, [str(archive), str(other), "--any-counts"]) == 2
        assert "something here that is not ADE20K" in capsys.readouterr().err
        assert [path.name for path in other.iterdir()] == ["dataset.json"]


# Worked out by hand from MASKS.
OVERLAP = {
    "100-50": [[0, 1, 4, 7], [1, 2, 3, 6, 7]],
    "50-50": [[0, 1, 4], [4, 7], [1, 2, 3, 6, 7]],
    "100-10": [[0, 1, 4, 7], [1, 2, 3, 6, 7], [2], [], [], [3, 6]],
    "100-5": [[0, 1, 4, 7], [1, 2, 6], [3, 7], [2], *[[]] * 6, [3, 6]],
}
DISJOINT = {
    "100-50": [[0, 4], [1, 2, 3, 6, 7]],
    "50-50": [[0], [4], [1, 2, 3, 6, 7]],
    "100-10": [[0, 4], [1, 7], [2], [], [], [3, 6]],
    "100-5": [[0, 4], [1], [7], [2], *[[]] * 6, [3, 6]],
}


@pytest.fixture(scope="module")
def opened(written, registered_modules):
    """A protocol and its two sources in the written folder, by the benchmark's own config."""

    def make(split, **rules):
        settings = load_run(f"ade20k_{split}", "finetune").config
        protocol = build_protocol({**settings.protocol, **rules})
        sources = [
            open_source({**settings[f"{part}_dataloader"].dataset, "data_root": str(written)},
                        protocol, progress=False)
            for part in ("train", "test")
        ]  # fmt: skip
        return protocol, *sources

    return make


@pytest.mark.parametrize("split", OVERLAP)
def test_images_of_each_step(opened, split):
    for setting, expected in (("overlap", OVERLAP), ("disjoint", DISJOINT)):
        protocol, source, _ = opened(split, setting=setting)
        steps = range(len(protocol.tasks))
        found = [train_images(protocol, source, step).tolist() for step in steps]
        assert found == expected[split], setting


def test_labels_are_of_150_classes_and_the_background_is_not_evaluated(opened):
    bound = SegmentationData(*opened("100-50"))
    protocol = bound.protocol
    assert [protocol.num_classes(step) for step in (0, 1)] == [101, 151]
    train, test = (np.array(protocol.train_label_map(1)), np.array(protocol.test_label_map(1)))
    # Training: what has no label, and classes learned before, are background.
    assert train[:101].tolist() == [0] * 101
    assert train[101:151].tolist() == list(range(101, 151))
    assert train[151:255].max() == -1 and train[255] == 255
    # Tests: every class has its label, and what has none does not count.
    assert test[0] == 255 and test[1:151].tolist() == list(range(1, 151))
    first = np.array(protocol.test_label_map(0))
    assert first[101:151].tolist() == [255] * 50
    assert [sample.image for sample in bound.test_samples(0)] == [0, 3]
    assert [sample.image for sample in bound.test_samples(1)] == [0, 1, 2, 3]
    counted = opened("100-50", unseen="background")[0].test_label_map(0)
    assert counted[0] == counted[101] == 0
