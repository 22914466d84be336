"""A data set's folder is written as a whole, once, and never over something else."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from vdfd_seg.datasets.written_folder import VocLayout, write_folder
from vdfd_seg.errors import InputError


class Writer:
    """Writes a file of a data set of one file, and counts how often."""

    count, failure = 0, None

    def __call__(self, root):
        write_folder(root, "my data", self.whole, self.own, self.write)
        return root

    def whole(self, folder):
        return (folder / "mine").is_file()

    def own(self, folder):
        return (folder / "part").exists()

    def write(self, folder):
        self.count += 1
        folder.mkdir()
        if self.failure:
            raise self.failure
        (folder / "mine").write_text("whole")


@pytest.fixture
def writer():
    return Writer()


@pytest.mark.parametrize("start", ["absent", "empty", "incomplete"])
def test_absent_empty_and_incomplete_folders_are_written_once(writer, tmp_path, start):
    root = tmp_path / "below" / "set"
    if start != "absent":
        root.mkdir(parents=True)
    if start == "incomplete":
        (root / "part").touch()
    writer(root)
    writer(root)
    assert writer.count == 1
    assert os.listdir(root) == ["mine"]
    assert {path.name for path in root.parent.iterdir()} == {"set", ".set.lock"}


def test_another_s_folder_is_refused_and_left_alone(writer, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="something here that is not my data") as caught:
        writer(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert os.listdir(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize("place", ["file", "file/set"])
def test_a_place_that_cannot_be_written_is_named(writer, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not my data|cannot be written"):
        writer(tmp_path / place)


def test_an_interrupted_write_leaves_nothing(writer, tmp_path):
    writer.failure = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        writer(tmp_path / "set")
    assert os.listdir(tmp_path) == [".set.lock"]
    writer.failure = None
    assert (writer(tmp_path / "set") / "mine").is_file()


def test_writers_may_start_at_once(writer, tmp_path):
    # Threads stand for processes, which take seconds to start: the lock is on a file,
    # and each call opens it again.
    with ThreadPoolExecutor(4) as executor:
        calls = [executor.submit(writer, tmp_path / "set") for _ in range(4)]
        assert [call.result() for call in calls] == [tmp_path / "set"] * 4
    assert writer.count == 1


@pytest.mark.parametrize(
    "lost", ["JPEGImages/a.jpg", "Masks/c.png", "ImageSets/Segmentation/val.txt"]
)
def test_a_whole_folder_is_described_and_what_is_missing_is_noticed(tmp_path, lost):
    layout = VocLayout("Mine", "Masks")
    layout.create(tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / layout.images / f"{name}.jpg").touch()
        (tmp_path / layout.masks / f"{name}.png").touch()
    layout.finish(tmp_path, {"train": ["a", "b"], "val": ["c"]}, {"version": 3})
    assert layout.description(tmp_path) == {"version": 3}
    assert layout.counts(tmp_path, ("train", "val")) == {"train": 2, "val": 1}
    (tmp_path / lost).unlink()
    assert layout.counts(tmp_path, ("train", "val")) is None
