import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from tests import fake_cifar as fake
from tests.python_process import ROOT, run_python
from vdfd_seg.datasets import read_arrays
from vdfd_seg.datasets.conversion.cifar import convert_cifar100, read_cifar100_python
from vdfd_seg.errors import InputError


def changed(file, **entries):
    """The files' contents with entries of one of them exchanged, or removed where None."""
    files = fake.contents()
    for key, value in entries.items():
        files[file].pop(key.encode())
        if value is not None:
            files[file][key.encode()] = value
    return files


def add(archive, name, content=b"", **attributes):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))


@pytest.fixture(params=["folder", "parent", "archive"])
def source(request, tmp_path):
    if request.param == "archive":
        return fake.write_archive(tmp_path / "cifar-100-python.tar.gz")
    folder = fake.write_folder(tmp_path)
    return folder if request.param == "folder" else tmp_path


def test_members_elsewhere_and_links_are_passed_over(tmp_path):
    contents = {name: fake.python2_pickle(value) for name, value in fake.contents().items()}
    secret = tmp_path / "secret"
    secret.write_bytes(contents["train"])
    with tarfile.open(tmp_path / "cifar.tar", "w") as archive:
        add(archive, "cifar-100-python/meta", contents["meta"])
        add(archive, "../train", contents["train"])
        add(archive, "train", contents["train"])
        add(archive, "cifar-100-python/train", type=tarfile.SYMTYPE, linkname=str(secret))
        add(archive, "cifar-100-python/train", type=tarfile.LNKTYPE, linkname="train")
    with pytest.raises(InputError, match="'train' cannot be read"):
        read_cifar100_python(tmp_path / "cifar.tar", "train")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (changed("train", data=None), "hold other things .KeyError: b'data'"),
        (changed("train", data=[1, 2]), "hold other things"),
        (changed("train", data=np.zeros((7, 3072))), "of uint8, one at least"),
        (changed("train", data=np.zeros(3072, np.uint8)), "each of the 1 images"),
        (changed("train", data=np.zeros((6, 3072), np.uint8)), "each of the 6 images, not .7,"),
        (changed("train", fine_labels=[0, 1, 2, 3, 0, 0, 0]), "none of the 3 classes"),
        (changed("train", fine_labels=[True] * 7), "labels must be integers"),
        (changed("train", fine_labels=b"abcdefg"), "labels must be integers"),
        (changed("meta", fine_label_names=None), "hold other things .KeyError"),
        (changed("meta", fine_label_names=[]), "must be different names, one at least"),
        ({**fake.contents(), "train": [1, 2]}, "hold other things"),
        ({"train": fake.contents()["train"]}, "'meta' cannot be read"),
    ],
)
def test_content_that_is_not_cifar100s_is_named(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        read_cifar100_python(fake.write_folder(tmp_path, files), "train")


class TestConversion:
    @pytest.fixture
    def tiles(self, tmp_path):
        for split in ("train", "test"):
            (tmp_path / "tiles" / split).mkdir(parents=True)
            for name in ("0_owl", "1_ant"):
                Image.new("RGB", (12, 8)).save(tmp_path / "tiles" / split / f"{name}.png")
        return tmp_path / "tiles"

    def test_of_the_python_archive(self, source, tmp_path):
        converted = convert_cifar100(source, tmp_path / "out")
        for split, arrays in converted.items():
            read = read_arrays(tmp_path / "out", split)
            np.testing.assert_array_equal(read.images, fake.images(split))
            assert read.labels.tolist() == fake.labels(split)
            assert read.classes == fake.CLASSES
            assert read.digest == arrays.digest
        assert list(converted) == ["train", "test"]

    def test_of_images_and_of_tiles(self, tiles, tmp_path):
        assert len(convert_cifar100(tiles, tmp_path / "out", tile=4)["train"]) == 12
        for split in ("train", "test"):
            for path in list((tiles / split).iterdir()):
                (tiles / split / path.stem).mkdir()
                path.rename(tiles / split / path.stem / path.name)
        converted = convert_cifar100(tiles, tmp_path / "out")
        assert converted["test"].images.shape == (2, 8, 12, 3)

    def test_a_bad_source_leaves_the_target_alone(self, tiles, tmp_path):
        before = convert_cifar100(tiles, tmp_path / "out", tile=4)["train"].digest
        files = changed("test", data=None)
        with pytest.raises(InputError, match="'test' or 'meta' hold other things"):
            convert_cifar100(fake.write_folder(tmp_path, files), tmp_path / "out")
        assert read_arrays(tmp_path / "out", "train").digest == before

    @pytest.mark.parametrize(
        ("rename", "message"), [("2_eel", "they differ in ant, eel"), ("00_ant", "their order")]
    )
    def test_splits_of_different_classes(self, tiles, tmp_path, rename, message):
        (tiles / "test/1_ant.png").rename(tiles / f"test/{rename}.png")
        if rename == "00_ant":
            (tiles / "test/0_owl.png").rename(tiles / "test/1_owl.png")
        with pytest.raises(InputError, match=message):
            convert_cifar100(tiles, tmp_path / "out", tile=4)

    def test_tile_of_the_python_archive(self, tmp_path):
        with pytest.raises(InputError, match="leave --tile out"):
            convert_cifar100(fake.write_folder(tmp_path), tmp_path / "out", tile=32)


def test_the_tool_as_a_script(tmp_path):
    def run(source):
        script = "tools/dataset_converters/cifar100.py"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return run_python(script, source, tmp_path / "out", env=environment)

    done = run(fake.write_folder(tmp_path))
    assert done.returncode == 0
    assert "train: 7 images of 3 classes" in done.stdout
    refused = run(tmp_path / "absent")
    assert refused.returncode == 2
    assert refused.stderr.startswith("vdfd_seg: error: ") and refused.stderr.count("\n") == 1
